import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  Conntrack,
  type ConntrackOptions,
  CtBit,
  CtDir,
  CtScope,
  CtState,
  CtStatus,
  CtType,
  setTuple,
  type CtTuple,
  tupleWords,
} from '../../src/conntrack/index.ts';
import { type Family, wordsOf } from '../../src/net/address.ts';
import { Protocol } from '../../src/net/protocol.ts';

const SYN = 2;
const RST = 4;
const ACK = 16;

/** Packet layout: the client's port is in `dport`. */
function packetTuple(family: Family, client: number, port: number, protocol: number = Protocol.TCP): CtTuple {
  const w = wordsOf(family);
  const tuple = new Uint32Array(tupleWords(family));
  const address = (last: number): number[] => (w === 1 ? [last] : [0x20010db8, 0, 0, last]);
  setTuple(tuple, w, address(client), 0, address(0x0a600001), 0, 80, port, protocol, 0);
  return tuple;
}

const connection = (ct: Conntrack, tuple: CtTuple, flags: number, now: number, state = new CtState()): CtStatus => {
  const status = ct.lookup(tuple, CtDir.EGRESS, CtScope.BIDIR, CtType.ANY, state, flags, 60, now);
  if (status === CtStatus.NEW) expect(ct.create(tuple, CtDir.EGRESS, state, false, 60, now)).toBe(0);
  return status;
};

const small = (options: Partial<ConntrackOptions> = {}): Conntrack =>
  new Conntrack(4, { tcpMaxEntries: 8, anyMaxEntries: 4, ...options });

describe.each([4, 6] as const)('Conntrack, IPv%s', (family) => {
  it('a handshake, its reply, and the end of its life', () => {
    const ct = new Conntrack(family, { accounting: true });
    expect(connection(ct, packetTuple(family, 1, 1000), SYN, 100)).toBe(CtStatus.NEW);
    expect([...ct.entries()]).toMatchObject([{ lifetime: 160, seenNonSyn: false, packets: 1, bytes: 60, flags: 0 }]);
    expect(connection(ct, packetTuple(family, 1, 1000), ACK, 101)).toBe(CtStatus.ESTABLISHED);
    expect([...ct.entries()]).toMatchObject([{ lifetime: 8101, seenNonSyn: true, packets: 2, bytes: 120 }]);
    expect(ct.gc(8101)).toBe(0);
    expect(ct.gc(8102)).toBe(1);
    expect([...ct.entries()]).toEqual([]);
  });

  it('an expired entry still matches until it is collected', () => {
    const ct = new Conntrack(family);
    connection(ct, packetTuple(family, 1, 1000, Protocol.UDP), 0, 100);
    expect(connection(ct, packetTuple(family, 1, 1000, Protocol.UDP), 0, 5000)).toBe(CtStatus.ESTABLISHED);
  });

  it('a reset closes both directions; a later SYN starts anew', () => {
    const ct = new Conntrack(family);
    connection(ct, packetTuple(family, 1, 1000), SYN, 100);
    const state = new CtState();
    connection(ct, packetTuple(family, 1, 1000), RST | ACK, 101, state);
    expect(state.bits & CtBit.CLOSING).toBe(CtBit.CLOSING);
    expect([...ct.entries()]).toMatchObject([{ rxClosing: true, txClosing: true, lifetime: 111 }]);
    expect(connection(ct, packetTuple(family, 1, 1000), SYN, 102)).toBe(CtStatus.NEW);
    expect([...ct.entries()]).toMatchObject([{ rxClosing: false, txClosing: false, lifetime: 162 }]);
  });
});

describe('Conntrack at its limits', () => {
  it('never holds more entries than configured, and gives up the least recently used flow', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 200, size: 'max' }), (ports) => {
        const ct = small();
        const recent: number[] = [];
        for (const port of ports) {
          const at = recent.indexOf(port);
          const status = connection(ct, packetTuple(4, 1, port), ACK, 1);
          expect(status === CtStatus.ESTABLISHED).toBe(at >= 0);
          if (at >= 0) recent.splice(at, 1);
          recent.unshift(port);
          recent.length = Math.min(recent.length, 8);
          expect(ct.tcp.size).toBe(recent.length);
        }
      }),
    );
  });

  it('keeps TCP and everything else apart', () => {
    const ct = small();
    for (let port = 1; port <= 20; port++) connection(ct, packetTuple(4, 1, port, Protocol.UDP), 0, 1);
    connection(ct, packetTuple(4, 1, 1), SYN, 1);
    expect([ct.tcp.size, ct.any.size]).toEqual([1, 4]);
  });

  it('counts bytes beyond 32 bits', () => {
    const ct = small({ accounting: true });
    const tuple = packetTuple(4, 1, 1);
    for (let i = 0; i < 4; i++) {
      if (ct.lookup(tuple, CtDir.EGRESS, CtScope.FORWARD, 0, new CtState(), ACK, 0x7fff_ffff, 1) === CtStatus.NEW) {
        ct.create(tuple, CtDir.EGRESS, null, false, 0x7fff_ffff, 1);
      }
    }
    expect([...ct.entries()]).toMatchObject([{ packets: 4, bytes: 4 * 0x7fff_ffff }]);
  });

  it('a service entry of another service is no hit', () => {
    const ct = small();
    const state = new CtState();
    state.revNatIndex = 7;
    state.backendId = 3;
    const tuple = packetTuple(4, 1, 1);
    const find = (): CtStatus => ct.lookup(tuple, CtDir.SERVICE, CtScope.REVERSE, CtType.SERVICE, state, ACK, 60, 10);
    expect(find()).toBe(CtStatus.NEW);
    ct.create(tuple, CtDir.SERVICE, state, false, 60, 10);
    state.backendId = 0;
    expect(find()).toBe(CtStatus.REPLY);
    expect(state.backendId).toBe(3);
    state.revNatIndex = 8;
    expect(find()).toBe(CtStatus.NEW);
  });

  it.each([
    [{ tcpTimeout: -1 }, 'invalid-option', ['tcpTimeout']],
    [{ synTimeout: 1.5 }, 'invalid-option', ['synTimeout']],
    [{ reportFlags: 256 }, 'invalid-option', ['reportFlags']],
    [{ tcpMaxEntries: 0 }, 'invalid-option', ['tcpMaxEntries']],
  ])('refuses %j', (options, code, path) => {
    expect(() => new Conntrack(4, options)).toThrow(expect.objectContaining({ code, path }));
  });
});

describe('the RST defect', () => {
  const afterReset = (ctRstClosesBoth: boolean): object => {
    const ct = small({ ctRstClosesBoth });
    const state = new CtState();
    const tuple = packetTuple(4, 1, 1000);
    connection(ct, tuple, SYN, 1);
    ct.lookup(packetTuple(4, 1, 1000), CtDir.EGRESS, CtScope.BIDIR, CtType.ANY, state, SYN | ACK, 60, 1);
    const reply = packetTuple(4, 1, 1000);
    reply.set([reply[1]!, reply[0]!, (reply[2]! << 16) | (reply[2]! >>> 16)]);
    expect(ct.lookup(reply, CtDir.INGRESS, CtScope.BIDIR, CtType.ANY, state, SYN | ACK, 60, 2)).toBe(CtStatus.REPLY);
    connection(ct, packetTuple(4, 1, 1000), RST, 3);
    return [...ct.entries()][0]!;
  };
  it('closes both directions of an established connection; without it, its own', () => {
    expect(afterReset(true)).toMatchObject({ txClosing: true, rxClosing: true });
    expect(afterReset(false)).toMatchObject({ txClosing: true, rxClosing: false });
  });
});
