import { describe, expect, it } from 'vitest';
import {
  type DatapathInput,
  HookContext,
  Node,
  parseAddress,
  parseCidr,
  Protocol,
  ServiceFlag,
  type Verdict,
} from '../../src/index.ts';
import { frame, GuardedBuffer, makeNode, WORLD } from './world.ts';

const { client, frontend } = WORLD[4];
const plain4 = frame(client, frontend);
const plain6 = frame(WORLD[6].client, WORLD[6].frontend);

function receive(bytes: Uint8Array, options: DatapathInput = {}, hook: 'xdp' | 'fromNetdev' = 'xdp'): Verdict {
  return makeNode({ options }).receive(hook, bytes, { now: 1, random: () => 7 });
}

/** A copy with some bytes replaced. */
function changed(bytes: Uint8Array, changes: Readonly<Record<number, number>>): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value;
  return copy;
}

describe('frames that are no good', () => {
  it('0 to 13 bytes pass unseen; half an IP header is INVALID', () => {
    for (let length = 0; length < 14; length++) {
      expect(receive(plain4.slice(0, length))).toEqual({ action: 'XDP_PASS', mark: 0, frame: plain4.slice(0, length) });
    }
    for (const [bytes, header] of [
      [plain4, 20],
      [plain6, 40],
    ] as const) {
      for (let length = 14; length < 14 + header; length++) {
        expect(receive(bytes.slice(0, length)).drop?.name).toBe('INVALID');
      }
    }
  });

  it('other ethertypes pass, without metadata for tc', () => {
    expect(receive(changed(plain4, { 12: 0x08, 13: 0x06 }))).toMatchObject({ action: 'XDP_PASS' });
    expect(receive(changed(plain4, { 12: 0x81, 13: 0x00 })).transfer).toBeUndefined();
  });

  it('without their ports, TCP flags or checksum, packets are dropped by what was missing', () => {
    expect(receive(plain4.slice(0, 34 + 3)).drop?.name).toBe('CT_INVALID_HDR');
    expect(receive(plain4.slice(0, 34 + 13)).drop?.name).toBe('CT_INVALID_HDR');
    expect(receive(plain4.slice(0, 34 + 17)).drop).toMatchObject({ name: 'CSUM_L4', direction: 'ingress' });
  });

  it('IHL is not judged: it moves the ports', () => {
    const moved = receive(changed(plain4, { 14: 0x41 }));
    expect(moved).toMatchObject({ action: 'XDP_PASS', transfer: 1 });
    expect(receive(changed(plain4, { 14: 0x4f })).drop?.name).toBe('CT_INVALID_HDR');
  });

  it('40 bytes of IP options leave no room for the DSR option', () => {
    const full = Uint8Array.from([...plain4.subarray(0, 34), ...new Uint8Array(40).fill(1), ...plain4.subarray(34)]);
    full[14] = 0x4f;
    expect(receive(full).action).toBe('XDP_TX');
    expect(receive(full, { mode: 'dsr' }).drop).toMatchObject({ name: 'CT_INVALID_HDR', direction: 'egress' });
  });

  it('three extension headers are skipped, a fourth is INVALID_EXTHDR, next header 59 too', () => {
    const chain = (count: number): Uint8Array => {
      const headers = Array.from({ length: count }, (_, i) => [i === count - 1 ? 6 : 60, 0, 1, 4, 0, 0, 0, 0]).flat();
      const bytes = Uint8Array.from([...plain6.subarray(0, 54), ...headers, ...plain6.subarray(54)]);
      bytes[20] = 60;
      return bytes;
    };
    expect(receive(chain(3)).action).toBe('XDP_TX');
    expect(receive(chain(4)).drop?.name).toBe('INVALID_EXTHDR');
    expect(receive(changed(plain6, { 20: 59 })).drop?.name).toBe('INVALID_EXTHDR');
  });

  it('fragments: the first one is remembered, later ones follow it, overlapping or not', () => {
    const node = makeNode({ backends: [1] });
    const udp = frame(client, frontend, { protocol: Protocol.UDP, id: 77, length: 60 });
    const options = { now: 1, random: (): number => 7 };
    const first = changed(udp, { 20: 0x20 });
    const later = changed(udp, { 21: 3 });
    expect(node.receive('xdp', later, options).drop?.name).toBe('FRAG_NOT_FOUND');
    expect(node.receive('xdp', first, options).action).toBe('XDP_TX');
    for (let offset = 1; offset < 8; offset++) {
      const verdict = node.receive('xdp', changed(udp, { 20: 0x20, 21: offset }), options);
      expect(verdict.action).toBe('XDP_TX');
      // No L4 header: only addresses change.
      expect(verdict.frame!.subarray(34)).toEqual(udp.subarray(34));
    }
    expect(receive(later, { ipv4Fragments: false }).drop?.name).toBe('FRAG_NOSUPPORT');
    expect(receive(first, { ipv4Fragments: false }, 'fromNetdev').drop?.name).toBe('FRAG_NOSUPPORT');
  });

  it('a UDP checksum of zero stays zero; port 0 is a port', () => {
    const udp = changed(frame(client, frontend, { protocol: Protocol.UDP, sport: 0 }), { 40: 0, 41: 0 });
    const out = receive(udp).frame!;
    expect([out[40], out[41]]).toEqual([0, 0]);
    expect(receive(frame(client, frontend, { dport: 0 }))).toMatchObject({ action: 'XDP_PASS', transfer: 1 });
  });

  it('lengths that lie make no difference to where things are', () => {
    expect(receive(changed(plain4, { 16: 0xff, 17: 0xff })).action).toBe('XDP_TX');
    expect(receive(changed(plain4, { 16: 0, 17: 0 })).action).toBe('XDP_TX');
    expect(receive(changed(plain6, { 18: 0xff, 19: 0xff, 21: 1 }), {}, 'fromNetdev').drop?.name).toBe('WRITE_ERROR');
  });
});

describe('configurations that cannot be', () => {
  const cases: readonly [DatapathInput, string][] = [
    [{ mode: 'hybrid', dsrDispatch: 'ipip' }, 'dsrDispatch'],
    [{ mode: 'hybrid', dsrDispatch: 'none' as never }, 'dsrDispatch'],
    [{ mode: 'dsr', tunnel: 'vxlan' }, 'dsrDispatch'],
    [{ mode: 'dsr', dsrDispatch: 'geneve', tunnel: 'vxlan' }, 'tunnel'],
    [{ mtu: 1279 }, 'mtu'],
    [{ mtu: 67, ipv6: false }, 'mtu'],
    [{ mtu: 80, ipv6: false, mode: 'dsr', dsrDispatch: 'geneve' }, 'mtu'],
    [{ snatPortRange: { min: 32000, max: 65535 } }, 'snatPortRange'],
    [{ nodePortRange: { min: 2, max: 1 } }, 'nodePortRange'],
    [{ ipv4: false, ipv6: false }, 'ipv4'],
    [{ hashSeed4: -1 }, 'hashSeed4'],
    [{ rss4: parseCidr('fd00::/8') }, 'rss4'],
    [{ mode: 'dsr', unheardOf: true } as DatapathInput, 'unheardOf'],
    [{ defects: { ctRstClosesBoth: 1 } as never }, 'defects'],
    [{ conntrack: { tcpTimeout: -1 } }, 'tcpTimeout'],
  ];

  it.each(cases)('%j names the option', (options, name) => {
    expect(() => makeNode({ options })).toThrow(expect.objectContaining({ path: expect.arrayContaining([name]) }));
  });

  it('a tunnel needs an address to come from; addresses have families', () => {
    const options = { mode: 'dsr', dsrDispatch: 'geneve' } as const;
    expect(() => new Node({ options })).toThrow(expect.objectContaining({ code: 'missing-address' }));
    const addresses = { ipv4: parseAddress('::1') };
    expect(() => new Node({ addresses })).toThrow(expect.objectContaining({ code: 'family-mismatch' }));
  });

  it('a random word that nobody gives is an error, and so is a service that is not modelled', () => {
    const node = makeNode();
    expect(() => node.receive('xdp', frame(client, frontend, { sport: 1 }), { now: 1 })).toThrow(/random word/);
    const translated = makeNode({ flags: ServiceFlag.NAT_46X64 });
    for (const hook of ['xdp', 'fromNetdev'] as const) {
      expect(() => translated.receive(hook, plain4, { now: 1 })).toThrow(
        expect.objectContaining({ code: 'not-modelled' }),
      );
    }
  });
});

describe('arguments', () => {
  it('a hook, bytes and a time: anything else is refused, with nothing done', () => {
    const node = makeNode();
    const wrong: readonly [unknown, unknown, unknown, string][] = [
      ['ingress', plain4, 1, 'unknown-hook'],
      ['xdp', [...plain4], 1, 'invalid-frame'],
      ['xdp', plain4, -1, 'invalid-time'],
      ['xdp', plain4, Number.NaN, 'invalid-time'],
      ['xdp', plain4, 2 ** 32, 'invalid-time'],
    ];
    for (const [hook, bytes, now, code] of wrong) {
      const call = (): unknown => node.receive(hook as 'xdp', bytes as Uint8Array, { now: now as number });
      expect(call).toThrow(expect.objectContaining({ code }));
    }
    expect(node.v4.conntrack.tcp.size).toBe(0);
    expect(node.receive('xdp', plain4, { now: 2 ** 32 - 0.5 }).action).toBe('XDP_TX');
  });
});

describe('a caller in a hurry', () => {
  it('gets the answer without a value being made, in a context of its own', () => {
    const ctx = new HookContext(new GuardedBuffer());
    expect(makeNode().process('xdp', plain4, { now: 1, random: () => 7 }, ctx)).toBe(1);
    expect(ctx.redirectIfindex).toBe(2);
  });
});
