import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createArena } from '../../src/arena/arena.ts';
import type { TensorArena, TensorMemory } from '../../src/contracts/arena.ts';
import type { Lease } from '../../src/contracts/tensor.ts';

/** An allocator never touches the bytes: no memory stands behind it here. */
function memoryOf(byteLength: number): TensorMemory {
  const untouched = (): never => {
    throw new Error('the allocator must not touch the memory');
  };
  return { kind: 'mapped', byteLength, fd: -1, view: untouched, stage: untouched, publish: untouched, close: untouched };
}

const MIB = 2 ** 20;

interface Held {
  readonly lease: Lease;
  readonly generation: number;
}

/** What a run may do, by number: reserve so much, reserve so much in lane n, release the n-th lease held. */
type Step = { readonly kind: 'reserve'; readonly bytes: number } | { readonly kind: 'lane'; readonly lane: number; readonly rows: number } | { readonly kind: 'release'; readonly index: number };

const LANE_ROW_BYTES = [16, 4096, 110_592, 602_112];
const size = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 100_000 }), fc.nat({ max: 3 * MIB }));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('reserve' as const), bytes: size }),
  fc.record({ kind: fc.constant('lane' as const), lane: fc.nat({ max: LANE_ROW_BYTES.length - 1 }), rows: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('release' as const), index: fc.nat() }),
  fc.record({ kind: fc.constant('release' as const), index: fc.nat() }),
);

function expectApart(held: readonly Held[], totalBytes: number): void {
  const regions = held.map(({ lease }) => lease.region).filter(({ byteLength }) => byteLength > 0).sort((a, b) => a.offset - b.offset);
  let end = 0;
  for (const region of regions) {
    if (region.offset < end) throw new Error(`${String(region.offset)} overlaps what ends at ${String(end)}`);
    end = region.offset + region.byteLength;
  }
  expect(end).toBeLessThanOrEqual(totalBytes);
}

function take(arena: TensorArena, held: Held[], lease: Lease | null, bytes: number): void {
  if (lease === null) return;
  expect(lease.region.byteLength).toBe(bytes);
  held.push({ lease, generation: arena.generation(lease.region) });
}

describe('arena', () => {
  it('keeps leases apart, counts them, and is whole again when all are released', () => {
    const arenas = fc.constantFrom(4096, 8 * MIB, 5 * MIB + 12_345, 13 * 4096, 32 * MIB);
    fc.assert(fc.property(arenas, fc.array(step, { maxLength: 200, size: 'max' }), (byteLength, steps) => {
      const arena = createArena(memoryOf(byteLength));
      const whole = arena.usage();
      expect(whole).toEqual({ totalBytes: byteLength - (byteLength % 4096), usedBytes: 0, leases: 0 });
      const held: Held[] = [];
      for (const action of steps) {
        if (action.kind === 'reserve') {
          const lease = arena.reserve(action.bytes);
          take(arena, held, lease, action.bytes);
          if (lease !== null) expect(lease.region.offset % 64).toBe(0);
        } else if (action.kind === 'lane') {
          const bytes = (LANE_ROW_BYTES[action.lane] ?? 0) * action.rows;
          take(arena, held, arena.reserveInLane(String(action.lane), bytes), bytes);
        } else if (held.length > 0) {
          const [{ lease, generation } = held[0]!] = held.splice(action.index % held.length, 1);
          // nobody else has had its place in between (an empty region has none)
          if (lease.region.byteLength > 0) expect(arena.generation(lease.region)).toBe(generation);
          lease.release();
          expect(() => { lease.release(); }).toThrow('released twice');
        }
        expectApart(held, whole.totalBytes);
        const usage = arena.usage();
        expect(usage.leases).toBe(held.length);
        expect(usage.usedBytes).toBeGreaterThanOrEqual(held.reduce((sum, { lease }) => sum + lease.region.byteLength, 0));
      }
      for (const { lease } of held) lease.release();
      expect(arena.usage()).toEqual(whole);
      const all = arena.reserve(whole.totalBytes);
      expect(all?.region).toEqual({ offset: 0, byteLength: whole.totalBytes });
      all?.release();
    }), { numRuns: 200 });
  });

  it('says null when it is full, and has room again after a release', () => {
    const arena = createArena(memoryOf(MIB));
    const leases = Array.from({ length: 256 }, () => arena.reserve(4096));
    expect(leases.every((lease) => lease !== null)).toBe(true);
    expect([arena.reserve(1), arena.reserveInLane('a', 1), arena.reserve(2 * MIB)]).toEqual([null, null, null]);
    expect(arena.usage()).toEqual({ totalBytes: MIB, usedBytes: MIB, leases: 256 });
    leases[17]?.release();
    expect(arena.reserve(4096)?.region).toEqual({ offset: 17 * 4096, byteLength: 4096 });
  });

  it('leaves what a tensor does not need of its block to others', () => {
    const arena = createArena(memoryOf(64 * MIB));
    const large = Array.from({ length: 64 }, () => arena.reserve(602_112));
    expect(large.every((lease) => lease !== null)).toBe(true);
    expect(arena.usage().usedBytes).toBe(64 * 602_112);
    const small = Array.from({ length: 64 }, () => arena.reserve(110_592 * 2));
    expect(small.every((lease) => lease !== null)).toBe(true);
  });

  it('gives empty regions without taking space', () => {
    const arena = createArena(memoryOf(4096));
    const empty = arena.reserve(0);
    expect([empty?.region.byteLength, arena.usage()]).toEqual([0, { totalBytes: 4096, usedBytes: 0, leases: 1 }]);
    expect(arena.reserve(4096)).not.toBeNull();
    empty?.release();
    expect(arena.reserveInLane('a', 0)?.region.byteLength).toBe(0);
  });

  it('raises the generation each time that a place is used again', () => {
    const arena = createArena(memoryOf(MIB));
    let last = -1;
    for (let i = 0; i < 10; i += 1) {
      const lease = i % 2 === 0 ? arena.reserve(MIB) : arena.reserveInLane('a', 64);
      if (lease === null) throw new Error('full');
      const generation = arena.generation(lease.region);
      expect(generation).toBeGreaterThan(last);
      last = generation;
      lease.release();
    }
    expect(() => arena.generation({ offset: MIB, byteLength: 1 })).toThrow(RangeError);
    expect(() => arena.generation({ offset: -1, byteLength: 1 })).toThrow(RangeError);
  });

  it('lays consecutive tensors of a lane side by side, whatever else is reserved in between', () => {
    const arena = createArena(memoryOf(256 * MIB));
    for (const bytes of [8, 16, 110_592, 602_112]) {
      const leases: Lease[] = [];
      for (let i = 0; i < 6; i += 1) {
        const lease = arena.reserveInLane(`lane of ${String(bytes)}`, bytes);
        const other = arena.reserveInLane('other', 4096);
        const single = arena.reserve(100);
        if (lease === null || other === null || single === null) throw new Error('full');
        if (i % 2 === 0) other.release();
        leases.push(lease);
      }
      expect(leases[0]?.region.offset).toSatisfy((offset: number) => offset % 64 === 0);
      expect(leases.map(({ region }) => region.offset - (leases[0]?.region.offset ?? 0))).toEqual([0, 1, 2, 3, 4, 5].map((i) => i * bytes));
    }
  });

  it('frees a lane\'s block with its last lease, open or filled', () => {
    const arena = createArena(memoryOf(64 * MIB));
    const leases = Array.from({ length: 40 }, () => arena.reserveInLane('a', 110_592));
    expect(arena.usage().usedBytes).toBe(5 * MIB); // nine of them in each MiB
    for (const lease of leases.slice(0, 36)) lease?.release();
    expect(arena.usage().usedBytes).toBe(MIB);
    for (const lease of leases.slice(36)) lease?.release();
    expect(arena.usage()).toEqual({ totalBytes: 64 * MIB, usedBytes: 0, leases: 0 });
  });

  it('serves a lane from what is left when no block fits any more', () => {
    const arena = createArena(memoryOf(MIB));
    const first = arena.reserve(MIB - 8192);
    expect(arena.reserveInLane('a', 8192)).not.toBeNull();
    expect(arena.reserveInLane('a', 8192)).toBeNull();
    first?.release();
  });

  it('refuses sizes that are none, and arenas below 4 KiB', () => {
    const arena = createArena(memoryOf(4096));
    for (const bytes of [-1, 1.5, NaN, Infinity]) {
      expect(() => arena.reserve(bytes)).toThrow(RangeError);
      expect(() => arena.reserveInLane('a', bytes)).toThrow(RangeError);
    }
    expect(() => createArena(memoryOf(4095))).toThrow(RangeError);
  });
});
