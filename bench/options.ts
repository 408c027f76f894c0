import { parseArgs } from 'node:util';
import { CONNECTIONS, CONTENDERS, FORMATS, FULL_RUN, OVERLOAD, QUICK_RUN } from './scenarios.ts';
import type { Selection } from './scenarios.ts';

export const HELP = `Usage: npm run bench -- [options]

Compares Sluice with what people write today and with the bare limit, on one model and one wire format.
Without options: everything, ${FULL_RUN.rounds} rounds of ${FULL_RUN.seconds} s; about half an hour on an idle machine.

  --quick             one round of ${QUICK_RUN.seconds} s without overload: a look, not a result
  --servers LIST      of ${CONTENDERS.join(', ')}
  --format LIST       of ${FORMATS.join(', ')}
  --connections LIST  of the closed loop (${CONNECTIONS.join(',')})
  --rounds N          medians are taken over so many rounds (${FULL_RUN.rounds})
  --seconds N         measured time of a trial (${FULL_RUN.seconds})
  --warm-up N         seconds of load before it that do not count (${FULL_RUN.warmUpSeconds})
  --overload          offer ${OVERLOAD.multiples.join(' and ')} times the peak too (--no-overload: don't)
  --check             exit with 1 when a bar is failed
  --help
`;

export interface Options {
  readonly help: boolean;
  readonly check: boolean;
  readonly selection: Selection;
}

/**
 * Parses the command line.
 *
 * @throws Error that names the option and what it allows.
 */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      quick: { type: 'boolean' },
      servers: { type: 'string' },
      format: { type: 'string' },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      overload: { type: 'boolean' },
      check: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const base = values.quick === true ? QUICK_RUN : FULL_RUN;
  const selection: Selection = {
    contenders: readNames('--servers', values.servers, CONTENDERS, base.contenders),
    formats: readNames('--format', values.format, FORMATS, base.formats),
    connections: values.connections?.split(',').map((text) => readNumber('--connections', text, 1, 1024)) ?? base.connections,
    rounds: readNumber('--rounds', values.rounds, 1, 100, base.rounds),
    seconds: readNumber('--seconds', values.seconds, 1, 300, base.seconds),
    warmUpSeconds: readNumber('--warm-up', values['warm-up'], 1, 60, base.warmUpSeconds),
    overload: values.overload ?? base.overload,
  };
  if (selection.overload && !selection.formats.includes('binary')) {
    throw new Error('--overload is offered in the binary format: add it to --format, or say --no-overload');
  }
  return { help: values.help === true, check: values.check === true, selection };
}

function readNames<Name extends string>(option: string, text: string | undefined, allowed: readonly Name[], fallback: readonly Name[]): readonly Name[] {
  if (text === undefined) return fallback;
  const names = text.split(',');
  const unknown = names.find((name) => !allowed.some((known) => known === name));
  if (unknown !== undefined) throw new Error(`${option} takes ${allowed.join(', ')}, got "${unknown}"`);
  return allowed.filter((name) => names.includes(name));
}

function readNumber(option: string, text: string | undefined, minimum: number, maximum: number, fallback?: number): number {
  if (text === undefined && fallback !== undefined) return fallback;
  const value = Number(text);
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new Error(`${option} takes a whole number from ${minimum} to ${maximum}, got "${text}"`);
  }
  return value;
}
