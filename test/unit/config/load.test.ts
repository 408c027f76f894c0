import { describe, expect, test } from 'vitest';
import { describeSettings, loadConfig } from '../../../src/config/load.ts';
import { SluiceError } from '../../../src/errors.ts';

function faultOf(environment: Record<string, string>): string {
  try {
    loadConfig(environment);
  } catch (error) {
    expect(error).toBeInstanceOf(SluiceError);
    expect((error as SluiceError).code).toBe('CONFIG_INVALID');
    return (error as SluiceError).message;
  }
  throw new Error(`accepted ${JSON.stringify(environment)}`);
}

describe('settings', () => {
  test('an empty environment gives the defaults', () => {
    const config = loadConfig({ HOME: '/home/somebody' });
    expect(config).toMatchObject({
      host: '127.0.0.1', port: 8000, modelsDir: null, cacheDir: '/home/somebody/.cache/sluice', cpuWorkers: 'auto',
      gpu: { count: 'auto', devices: null, concurrency: 1, provider: 'cuda', fallback: 'cpu', libraryPath: [], visible: null },
    });
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('an empty variable counts as unset', () => {
    expect(loadConfig({ PORT: '' }).port).toBe(8000);
  });

  test('an empty CUDA_VISIBLE_DEVICES is not the same as none: it hides every GPU', () => {
    expect(loadConfig({ CUDA_VISIBLE_DEVICES: '' }).gpu.visible).toBe('');
    expect(loadConfig({}).gpu.visible).toBeNull();
  });

  test('numbers, lists and choices are parsed', () => {
    const config = loadConfig({ GPU_COUNT: '2', GPU_DEVICES: '0,3', GPU_PROVIDER: 'webgpu', ARENA_MIB: '32', CPU_WORKERS: '0' });
    expect(config.gpu).toMatchObject({ count: 2, devices: [0, 3], provider: 'webgpu' });
    expect(config.arenaBytes).toBe(32 * 1024 * 1024);
    expect(config.cpuWorkers).toBe(0);
  });

  test('device hosts inherit nothing of ours', () => {
    const { hostEnvironment } = loadConfig({ PATH: '/bin', PORT: '1', AWS_SECRET_ACCESS_KEY: 'x', NODE_OPTIONS: '--inspect', LD_LIBRARY_PATH: '/l' });
    expect(hostEnvironment).toEqual({ PATH: '/bin', LD_LIBRARY_PATH: '/l' });
  });

  const wrong: readonly [string, string][] = [
    ['PORT', '65536'], ['PORT', '-1'], ['PORT', '80.5'], ['PORT', 'http'], ['PORT', '0x50'], ['PORT', ' 80'],
    ['GPU_COUNT', 'all'], ['GPU_COUNT', '-1'], ['GPU_COUNT', '65'], ['GPU_DEVICES', '0,'], ['GPU_DEVICES', 'GPU-1'],
    ['GPU_CONCURRENCY', '0'], ['GPU_PROVIDER', 'rocm'], ['GPU_FALLBACK', 'maybe'], ['CPU_WORKERS', 'many'],
    ['ARENA_MIB', '0'], ['LOG_LEVEL', 'loud'], ['LOG_FORMAT', 'xml'], ['NATIVE', 'yes'], ['HF_ENDPOINT', 'hub'],
    ['REQUEST_TIMEOUT_MS', '0'], ['QUEUE_SIZE', '1e3'], ['QUEUE_SIZE', '__proto__'],
  ];
  test.each(wrong)('%s=%s is refused with the variable, the value and what is allowed', (name, value) => {
    const message = faultOf({ [name]: value });
    expect(message).toContain(`${name}=${JSON.stringify(value)}: must be `);
    expect(message).toContain(describeSettings().find((row) => row.name === name)?.allowed);
  });

  test('all wrong variables are named at once', () => {
    const message = faultOf({ PORT: 'x', GPU_COUNT: 'y' });
    expect(message).toContain('PORT=');
    expect(message).toContain('GPU_COUNT=');
  });

  test('every default is a value that its own setting accepts', () => {
    for (const { name, fallback } of describeSettings()) {
      if (fallback !== null) expect(() => loadConfig({ [name]: fallback })).not.toThrow();
    }
  });
});
