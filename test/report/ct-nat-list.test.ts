import { describe, expect, it } from 'vitest';
import { Conntrack, CtBit, CtDir, CtScope, CtState, CtType, setTuple } from '../../src/conntrack/index.ts';
import { Nat, SnatTarget } from '../../src/nat/index.ts';
import { parseAddress } from '../../src/net/address.ts';
import { Protocol } from '../../src/net/protocol.ts';
import { ctList, natList } from '../../src/report/index.ts';

function tuple(saddr: string, sport: number, daddr: string, dport: number, protocol: number): Uint32Array {
  const [from, to] = [parseAddress(saddr), parseAddress(daddr)];
  const out = new Uint32Array(2 * from.words.length + 2);
  setTuple(out, from.words.length, from.words, 0, to.words, 0, sport, dport, protocol, 0);
  return out;
}

const SYN = 2;
const ACK = 16;

describe("the agent's conntrack listing", () => {
  const ct = new Conntrack(4, { reportFlags: 0xff });
  const state = new CtState();
  // A service flow and the connection to its backend, from 10.244.0.5:45678 to 10.96.0.20:80, backend 10.244.1.1:8080.
  state.revNatIndex = 2;
  state.backendId = 1;
  const service = (): Uint32Array => tuple('10.244.0.5', 80, '10.96.0.20', 45678, Protocol.TCP);
  const connection = (): Uint32Array => tuple('10.244.1.1', 45678, '10.244.0.5', 8080, Protocol.TCP);
  const key = service();
  ct.lookup(key, CtDir.SERVICE, CtScope.REVERSE, CtType.SERVICE, state, SYN, 60, 9312);
  ct.create(key, CtDir.SERVICE, state, false, 60, 9312);
  state.srcSecId = 12345;
  state.bits = CtBit.NODE_PORT;
  ct.create(connection(), CtDir.EGRESS, state, true, 60, 9312);
  ct.lookup(connection(), CtDir.EGRESS, CtScope.FORWARD, CtType.ANY, state, SYN | ACK, 60, 9312);
  ct.lookup(connection(), CtDir.EGRESS, CtScope.FORWARD, CtType.ANY, state, ACK | 8 | 1, 60, 9312);

  it('prints the maps, the connection from its initiator on', () => {
    expect(ctList([ct])).toBe(
      'TCP SVC 10.244.0.5:45678 -> 10.96.0.20:80 expires=9372 Packets=0 Bytes=0 RxFlagsSeen=0x00 LastRxReport=0 ' +
        'TxFlagsSeen=0x02 LastTxReport=9312 Flags=0x0000 [ ] RevNAT=2 SourceSecurityID=0 BackendID=1 \n' +
        'TCP OUT 10.244.0.5:45678 -> 10.244.1.1:8080 expires=17312 Packets=0 Bytes=0 RxFlagsSeen=0x00 LastRxReport=0 ' +
        'TxFlagsSeen=0x1b LastTxReport=9312 Flags=0x0032 [ TxClosing SeenNonSyn NodePort ] RevNAT=2 ' +
        'SourceSecurityID=12345 BackendID=0 \n\n' +
        'ICMP OUT 10.244.0.5:0 -> 10.244.1.1:0 related expires=9372 Packets=0 Bytes=0 RxFlagsSeen=0x00 LastRxReport=0 ' +
        'TxFlagsSeen=0x02 LastTxReport=9312 Flags=0x0020 [ NodePort ] RevNAT=2 SourceSecurityID=12345 BackendID=0 \n\n',
    );
  });

  it('with a clock tells what remains', () => {
    expect(ctList([ct], 9313)).toContain('expires=17312 (remaining: 7999 sec(s)) Packets=0');
  });

  it('IPv6 has no brackets, incoming connections say so', () => {
    const ct6 = new Conntrack(6);
    const incoming = tuple('fd00::1', 53, 'fd00::2', 1234, Protocol.UDP);
    ct6.lookup(incoming, CtDir.INGRESS, CtScope.FORWARD, CtType.ANY, state, 0, 60, 1);
    ct6.create(incoming, CtDir.INGRESS, null, false, 60, 1);
    expect(ctList([ct6])).toMatch(/^\nUDP IN fd00::2:53 -> fd00::1:1234 expires=61 /);
  });
});

describe("the agent's NAT listing", () => {
  it('prints both halves of a mapping', () => {
    const nat = new Nat(new Conntrack(4));
    const target = new SnatTarget(4);
    target.addr.set(parseAddress('192.0.2.10').words);
    nat.forward(tuple('10.244.0.5', 40000, '93.184.216.34', 443, Protocol.TCP), target, 0, 60, 100, () => 0);
    expect(natList([nat], 112)).toBe(
      'TCP IN 93.184.216.34:443 -> 192.0.2.10:40000 XLATE_DST 10.244.0.5:40000 Created=12sec ago NeedsCT=0\n' +
        'TCP OUT 10.244.0.5:40000 -> 93.184.216.34:443 XLATE_SRC 192.0.2.10:40000 Created=12sec ago NeedsCT=0\n\n',
    );
    expect(natList([nat])).toContain(' Created=? (raw 100) NeedsCT=0\n');
  });

  it('brackets the translated IPv6 address only', () => {
    const nat = new Nat(new Conntrack(6));
    const target = new SnatTarget(6);
    target.addr.set(parseAddress('fd00::a').words);
    target.needsCt = true;
    nat.forward(tuple('fd00::1', 40000, 'fd00::2', 53, Protocol.UDP), target, 0, 60, 1, () => 0);
    expect(natList([nat], 1)).toContain(
      'UDP OUT fd00::1:40000 -> fd00::2:53 XLATE_SRC [fd00::a]:40000 Created=0sec ago NeedsCT=1\n',
    );
  });
});
