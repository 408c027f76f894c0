/** What the GPU suites ask of a running server: its devices, what each has done, and answers of one model. */
import { expect } from 'vitest';
import { infer, noise } from './oip.ts';
import type { RunningServer } from './server.ts';

export interface DeviceReply {
  readonly id: string;
  readonly provider: string;
  readonly state: string;
  readonly slots: number;
  readonly pid: number;
  readonly restarts: number;
  readonly fallbacks: readonly unknown[];
}

export async function devicesOf(server: RunningServer): Promise<readonly DeviceReply[]> {
  return ((await (await fetch(`${server.url}/v2/devices`)).json()) as { devices: DeviceReply[] }).devices;
}

/** Rows that a device has done, by the metrics. */
export async function rowsDoneBy(server: RunningServer, device: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return text.split('\n').filter((line) => line.startsWith('sluice_batch_rows_sum') && line.includes(`device="${device}"`)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** The first output for one row of noise. `rowShape`: without the batch axis. */
export async function answerOf(server: RunningServer, model: string, rowShape: readonly number[], seed: number): Promise<readonly number[]> {
  const elements = rowShape.reduce((product, size) => product * size, 1);
  const { status, answer } = await infer(server.url, model, [1, ...rowShape], noise(seed, elements));
  expect(status, answer.error).toBe(200);
  return answer.outputs[0]?.data ?? [];
}

/** Equal to so many decimals; lengths too. */
export function expectClose(got: readonly number[], wanted: readonly number[], digits: number): void {
  expect(got).toHaveLength(wanted.length);
  got.forEach((value, index) => expect(value).toBeCloseTo(wanted[index] ?? Number.NaN, digits));
}
