import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/conntrack/index.ts';
import { seededRandom } from '../../src/hash/random.ts';
import { flowsWithin, Nat, planSnat, PortSpace, SnatTarget } from '../../src/nat/index.ts';
import { Protocol } from '../../src/net/protocol.ts';

const range = fc.tuple(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 40 })).map(([first, more]) => ({
  min: first,
  max: Math.min(first + more, 65_535),
}));

describe('PortSpace', () => {
  it('gives the ports that the NAT engine gives', () => {
    fc.assert(
      fc.property(
        range,
        fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 60, size: 'max' }),
        fc.nat(),
        (ports, sports, seed) => {
          const space = new PortSpace(ports.min, ports.max);
          const nat = new Nat(new Conntrack(4));
          const target = new SnatTarget(4);
          target.setRange(ports.min, ports.max);
          const [a, b] = [seededRandom(seed), seededRandom(seed)];
          sports.forEach((sport, client) => {
            const tuple = Uint32Array.of(1, client, (80 << 16) | sport, Protocol.TCP << 8);
            const ret = nat.newMapping(tuple, target, 1, a);
            expect(space.allocate(sport, b)).toBe(ret === 0 ? nat.toPort : -1);
          });
        },
      ),
    );
  });

  it('tells the odds that trying every source port with every random word finds', () => {
    fc.assert(
      fc.property(
        fc.subarray(
          Array.from({ length: 16 }, (_, i) => 32_768 + i),
          { minLength: 8 },
        ),
        (taken) => {
          const space = new PortSpace(32_768, 32_783);
          for (const port of taken) space.take(port);
          let fails = 0;
          for (let sport = 32_768; sport <= 32_783; sport++) {
            for (let word = 0; word < 0x1_0000; word += 0x1000) {
              const port = space.allocate(sport, () => word);
              if (port < 0) fails++;
              else space.release(port);
            }
          }
          expect(space.odds(32_768, 32_783).fails).toBeCloseTo(fails / 256, 10);
        },
      ),
    );
  });
});

describe('fewestToFail', () => {
  it.each([
    [32_768, 65_535, 16],
    [0, 65_535, 31],
    [40_000, 40_003, 1],
  ])('%s-%s: %s', (min, max, fewest) => {
    expect(new PortSpace(min, max).fewestToFail()).toBe(fewest);
  });

  it('with fewer ports taken no flow fails, with as many one may', () => {
    fc.assert(
      fc.property(range, fc.nat(), ({ min, max }, seed) => {
        const space = new PortSpace(min, max);
        const fewest = space.fewestToFail();
        const random = seededRandom(seed);
        while (space.used < Math.min(fewest - 1, space.size)) space.take(min + (random() % space.size));
        expect(space.odds(0, 65_535).fails).toBe(0);
      }),
    );
    const space = new PortSpace(40_000, 40_003);
    space.take(40_002);
    expect(space.odds(40_002, 40_002).fails).toBeGreaterThan(0);
  });
});

describe('planSnat', () => {
  const options = { minPort: 32_768, maxPort: 65_535, sourceMin: 32_768, sourceMax: 60_999, occupied: 0, runs: 2 };

  it('repeats with its seed, and fails first where about 55 to 65 of 100 ports are taken', () => {
    const points = planSnat({ ...options, random: seededRandom(7) }, [20_000]);
    expect(planSnat({ ...options, random: seededRandom(7) }, [20_000])).toEqual(points);
    const within = flowsWithin(points, 0.001);
    expect(within).toBeGreaterThan(0.5 * 32_768);
    expect(within).toBeLessThan(0.65 * 32_768);
    expect(points.some((point) => point.flows === 20_000)).toBe(true);
    for (let i = 1; i < points.length; i++) {
      expect(points[i]!.failedAttempts).toBeGreaterThanOrEqual(points[i - 1]!.failedAttempts - 0.2);
      expect(points[i]!.anyFailed).toBeGreaterThanOrEqual(points[i - 1]!.anyFailed);
    }
  });

  it('ports of others count', () => {
    const free = flowsWithin(planSnat({ ...options, random: seededRandom(1) }), 0.01);
    const shared = flowsWithin(planSnat({ ...options, occupied: 10_000, random: seededRandom(1) }), 0.01);
    expect(shared).toBeLessThan(free - 5000);
  });

  it('a single port: the second flow fails', () => {
    const points = planSnat({ ...options, minPort: 40_000, maxPort: 40_000, random: seededRandom(1) });
    expect(points.map(({ flows, fails }) => [flows, fails])).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(flowsWithin(points, 0)).toBe(0);
  });

  it('refuses more occupied ports than there are', () => {
    expect(() => planSnat({ ...options, occupied: 32_769, random: seededRandom(1) })).toThrow(
      expect.objectContaining({ code: 'invalid-option', path: ['occupied'] }),
    );
  });
});
