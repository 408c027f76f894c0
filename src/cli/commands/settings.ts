/** `sluice serve --settings` */
import { describeSettings } from '../../config/load.ts';
import type { CliIo } from '../io.ts';
import { renderTable } from '../table.ts';

/** Lists every environment variable that the server reads. */
export function settingsCommand(io: CliIo): void {
  io.out(renderTable(['variable', 'default', 'what it does'], describeSettings().map(({ name, fallback, description }) => [name, fallback ?? '', description.replaceAll('`', '')])));
}
