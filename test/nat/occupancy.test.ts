import { describe, expect, it } from 'vitest';
import { Conntrack, CtDir, CtState } from '../../src/conntrack/index.ts';
import { type FlowClass, planOccupancy } from '../../src/nat/index.ts';
import { Protocol } from '../../src/net/protocol.ts';

const snat: FlowClass = { path: 'snat', tcp: true, rate: 100, duration: 20, silent: 0 };

describe('planOccupancy', () => {
  it('counts rate times lifetime, for every entry that a flow makes', () => {
    const { maps, gcInterval } = planOccupancy([snat], { gcInterval: 60 });
    expect(gcInterval).toBe(60);
    // Two conntrack and two NAT entries each; 20 s of traffic, then 10 s after both FINs, then up to 60 s until collected.
    expect(maps.map(({ map, rate, live, high }) => [map, rate, live, high])).toEqual([
      ['ct-tcp', 200, 200 * 30, 200 * 90],
      ['ct-any', 0, 0, 0],
      ['nat', 200, 200 * 30, 200 * 90],
    ]);
  });

  it('connections that vanish stay for the whole timeout', () => {
    const [tcp] = planOccupancy([{ ...snat, silent: 0.5 }], { gcInterval: 60 }).maps;
    expect(tcp!.live).toBe(200 * (20 + 0.5 * 8000 + 0.5 * 10));
  });

  it('says after what idle time entries are evicted if a map is too small', () => {
    const { maps } = planOccupancy([snat], {
      conntrack: { tcpMaxEntries: 2000 },
      natMaxEntries: 40_000,
      gcInterval: 60,
    });
    expect(maps.map(({ evictedAfter }) => evictedAfter)).toEqual([10, undefined, undefined]);
  });

  it('agrees with conntrack itself: pods, UDP', () => {
    const [rate, life] = [5, 70];
    const { maps } = planOccupancy([{ path: 'pod', tcp: false, rate, duration: 0, silent: 0 }], { gcInterval: 10 });
    const ct = new Conntrack(4);
    let [low, high] = [Infinity, 0];
    for (let now = 0; now < 4 * life; now++) {
      if (now % 10 === 0) {
        if (now > 2 * life) high = Math.max(high, ct.any.size);
        ct.gc(now);
        if (now > 2 * life) low = Math.min(low, ct.any.size);
      }
      for (let i = 0; i < rate; i++) {
        ct.create(Uint32Array.of(1, now * rate + i, 53, Protocol.UDP << 8), CtDir.EGRESS, new CtState(), true, 60, now);
      }
    }
    // Whole seconds: an entry is expired once its lifetime lies before now, a second later than in the continuous count.
    expect(Math.abs(low - maps[1]!.low)).toBeLessThanOrEqual(2 * rate);
    expect(Math.abs(high - maps[1]!.high)).toBeLessThanOrEqual(2 * rate);
  });

  it('the adaptive interval is long for calm nodes and short for busy ones', () => {
    const interval = (flows: Partial<FlowClass>): number => planOccupancy([{ ...snat, ...flows }]).gcInterval;
    expect(interval({ rate: 0 })).toBe(300);
    expect(interval({ duration: 0 })).toBe(10);
    expect(interval({ duration: 1e6 })).toBe(12 * 3600);
  });

  it.each([
    [{ rate: -1 }, 'rate'],
    [{ duration: Number.NaN }, 'duration'],
    [{ silent: 2 }, 'silent'],
    [{ path: 'nat' as 'snat' }, 'path'],
  ])('refuses %j', (wrong, field) => {
    expect(() => planOccupancy([snat, { ...snat, ...wrong }])).toThrow(
      expect.objectContaining({ code: 'invalid-flow-class', path: [1, field] }),
    );
  });
});
