/** Says at the end which tests were skipped and why: a skipped test is a promise not kept on this machine. */
import type { Reporter, TestModule } from 'vitest/node';

export default class SkipReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = modules.flatMap((module) =>
      [...module.children.allTests('skipped')].map((test) => {
        const result = test.result();
        return `  ${module.relativeModuleId} > ${test.fullName}: ${(result.state === 'skipped' ? result.note : undefined) ?? 'NO REASON GIVEN'}`;
      }));
    if (skipped.length > 0) console.log(['', `Skipped (${String(skipped.length)}):`, ...skipped, ''].join('\n'));
  }
}
