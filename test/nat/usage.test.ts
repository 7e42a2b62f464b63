import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/conntrack/index.ts';
import { seededRandom } from '../../src/hash/random.ts';
import { Nat, portUsage, SnatTarget } from '../../src/nat/index.ts';
import { Protocol } from '../../src/net/protocol.ts';
import { natList, readNatList } from '../../src/report/index.ts';

const range = { min: 32_768, max: 65_535 };
const source = { min: 32_768, max: 60_999 };

function busyNode(): Nat {
  const nat = new Nat(new Conntrack(4));
  const target = new SnatTarget(4);
  target.addr[0] = 0xc000020a;
  const random = seededRandom(1);
  const flows = (remote: number, count: number): void => {
    for (let i = 0; i < count; i++) {
      const tuple = Uint32Array.of(
        remote,
        0x0af40000 + i,
        (443 << 16) | (32_768 + (random() % 28_232)),
        Protocol.TCP << 8,
      );
      nat.forward(tuple, target, 0, 60, 1, random);
    }
  };
  flows(0x5db8d822, 22_000);
  flows(0x01010101, 500);
  flows(0x08080808, 3);
  return nat;
}

describe('portUsage', () => {
  const nat = busyNode();
  const report = portUsage([...nat.entries()], range, source);

  it('ranks destinations by what can go wrong, and leaves out where nothing can', () => {
    expect(report.harmless).toBe(1);
    expect(report.fewestToFail).toBe(16);
    expect(report.destinations.map(({ remoteAddress, remotePort }) => [remoteAddress, remotePort])).toEqual([
      ['93.184.216.34', 443],
      ['1.1.1.1', 443],
    ]);
    const [busy, calm] = report.destinations;
    expect(busy!.fails).toBeGreaterThan(0.05);
    expect(busy!.fails).toBeLessThan(0.3);
    expect(calm).toMatchObject({ used: 500, ports: 32_768, fails: 0, halves: 0, snatAddress: '192.0.2.10' });
  });

  it('agrees with a new flow trying its luck', () => {
    const [busy] = report.destinations;
    const target = new SnatTarget(4);
    target.addr[0] = 0xc000020a;
    const random = seededRandom(2);
    let failed = 0;
    const tries = 4000;
    for (let i = 0; i < tries; i++) {
      const sport = 32_768 + (random() % 28_232);
      const tuple = Uint32Array.of(0x5db8d822, 0x0b000000 + i, (443 << 16) | sport, Protocol.TCP << 8);
      if (nat.newMapping(tuple, target, 1, random) !== 0) failed++;
      else {
        nat.table.delete(tuple);
        nat.table.delete(Uint32Array.of(0xc000020a, 0x5db8d822, (nat.toPort << 16) | 443, (Protocol.TCP << 8) | 1));
      }
    }
    const sigma = Math.sqrt((busy!.fails * (1 - busy!.fails)) / tries);
    expect(Math.abs(failed / tries - busy!.fails)).toBeLessThan(5 * sigma);
  });

  it('counts halves: reverse entries whose forward entry is gone', () => {
    const entries = [...nat.entries()];
    const some = entries.filter(({ flags, daddr }) => !(flags === 0 && daddr === '1.1.1.1'));
    expect(portUsage(some, range, source).destinations[1]!.halves).toBe(500);
  });

  it('reads what the agent prints, and gives the same', () => {
    const read = readNatList(natList([nat], 5));
    expect(portUsage(read, range, source)).toEqual(report);
    expect(read[0]).toEqual({ ...[...nat.entries()][0]!, created: 4 });
  });
});

describe('readNatList', () => {
  it('takes IPv6 with and without brackets, ages and raw times, unknown protocols', () => {
    const lines = [
      'UDP OUT fd00::1:40000 -> fd00::2:53 XLATE_SRC [fd00::a]:40000 Created=0sec ago NeedsCT=1',
      'TCP IN [64:ff9b::8c52:7104]:80 -> [192.168.64.2]:33388 XLATE_DST [2001:db8::2]:33388 Created=? (raw 155) NeedsCT=0',
      '47 OUT 10.0.0.1:0 -> 10.0.0.2:0 XLATE_SRC 10.0.0.3:0 Created=1sec ago NeedsCT=0',
    ];
    expect(readNatList(`\n${lines.join('\n')}\n\n`)).toMatchObject([
      { protocol: 17, saddr: 'fd00::1', sport: 40_000, toAddr: 'fd00::a', needsCt: true, flags: 0 },
      { protocol: 6, saddr: '64:ff9b::8c52:7104', daddr: '192.168.64.2', created: 155, flags: 1 },
      { protocol: 47 },
    ]);
  });

  it.each(['nonsense', 'TCP OUT 10.0.0:1 -> 10.0.0.2:2 XLATE_SRC 10.0.0.3:3 Created=1sec ago NeedsCT=0'])(
    'refuses %j with its line',
    (line) => {
      expect(() => readNatList(`\n${line}`)).toThrow(expect.objectContaining({ code: 'invalid-listing', path: [2] }));
    },
  );
});
