import { describe, expect, it } from 'vitest';
import { Conntrack, CtBit, CtDir, CtState, setTuple } from '../../src/conntrack/index.ts';
import { collectGarbage, Nat, purgeOrphans, SnatTarget } from '../../src/nat/index.ts';
import { type Family, wordsOf } from '../../src/net/address.ts';
import { Protocol } from '../../src/net/protocol.ts';

const CLIENT = 1;
const BACKEND = 2;
const NODE = 3;

function tuple(family: Family, saddr: number, sport: number, daddr: number, dport: number): Uint32Array {
  const w = wordsOf(family);
  const address = (last: number): number[] => (family === 4 ? [last] : [0xfd000000, 0, 0, last]);
  const out = new Uint32Array(2 * w + 2);
  setTuple(out, w, address(saddr), 0, address(daddr), 0, sport, dport, Protocol.TCP, 0);
  return out;
}

describe.each([4, 6] as const)('garbage collection, IPv%s', (family) => {
  const setup = (): { nat: Nat; ct: Conntrack } => {
    const ct = new Conntrack(family);
    const nat = new Nat(ct);
    const target = new SnatTarget(family);
    target.addr[target.addr.length - 1] = NODE;
    nat.forward(tuple(family, CLIENT, 40_000, BACKEND, 80), target, 0, 60, 1, () => 0);
    return { nat, ct };
  };
  /** The connection's entry: the NAT tuple with its addresses swapped. */
  const connect = (ct: Conntrack, now: number): void => {
    ct.create(tuple(family, BACKEND, 40_000, CLIENT, 80), CtDir.EGRESS, null, false, 60, now);
  };

  it('takes a mapping along with its connection', () => {
    const { nat, ct } = setup();
    connect(ct, 100);
    expect(collectGarbage(nat, 160)).toEqual({ conntrack: 0, nat: 0 });
    expect(collectGarbage(nat, 161)).toEqual({ conntrack: 1, nat: 2 });
    expect(nat.table.size).toBe(0);
  });

  it('a mapping without connection stays until orphans are purged', () => {
    const { nat, ct } = setup();
    expect(collectGarbage(nat, 10_000)).toEqual({ conntrack: 0, nat: 0 });
    connect(ct, 100);
    expect(purgeOrphans(nat)).toBe(0);
    ct.tcp.clear();
    expect(purgeOrphans(nat)).toBe(2);
  });

  it("a DSR connection keeps its reply's entry, and takes it along", () => {
    const { nat, ct } = setup();
    nat.table.clear();
    const state = new CtState();
    state.bits = CtBit.DSR_INTERNAL;
    const pod = BACKEND;
    ct.create(tuple(family, pod, 40_000, CLIENT, 80), CtDir.EGRESS, state, false, 60, 100);
    nat.put(tuple(family, pod, 80, CLIENT, 40_000), [9, 9, 9, 9], 0, 443, false, 100);
    expect(purgeOrphans(nat)).toBe(0);
    expect(collectGarbage(nat, 161)).toEqual({ conntrack: 1, nat: 1 });
    nat.put(tuple(family, pod, 80, CLIENT, 40_000), [9, 9, 9, 9], 0, 443, false, 100);
    expect(purgeOrphans(nat)).toBe(1);
  });
});
