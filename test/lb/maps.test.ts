import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  affinityTimeout,
  affinityUnion,
  cidrContains,
  isL7Delegate,
  isL7LoadBalancer,
  l7ProxyPort,
  l7Union,
  LbMaps,
  parseAddress,
  parseCidr,
  type ServiceKey,
  serviceAlgorithm,
  ServiceFlag,
  type ServiceValue,
  u64,
} from '../../src/index.ts';
import { sourceRangeAllows } from '../../src/lb/lookup.ts';

const u16 = fc.integer({ min: 0, max: 0xffff });
const u8 = fc.integer({ min: 0, max: 0xff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const address = fc.oneof(
  fc.tuple(u32).map((words) => ({ family: 4 as const, words })),
  fc.tuple(u32, u32, u32, u32).map((words) => ({ family: 6 as const, words })),
);
const serviceKey: fc.Arbitrary<ServiceKey> = fc.record({
  address,
  port: u16,
  slot: u16,
  protocol: u8,
  scope: fc.constantFrom(0, 1),
});
const serviceValue: fc.Arbitrary<ServiceValue> = fc.record({
  union: u32,
  count: u16,
  revNatIndex: u16,
  flags: u16,
  qcount: u16,
});

const value = (port: number) => ({ address: parseAddress('10.0.0.1'), port });
const range = (text: string) => ({ revNatIndex: 1, cidr: parseCidr(text) });
const client = (last: number) => [0x0a000000 + last];

describe('LbMaps', () => {
  it('gives back every field of services and backends', () => {
    fc.assert(
      fc.property(serviceKey, serviceValue, (key, value) => {
        const { services } = new LbMaps().of(key.address.family);
        expect(services.set(key, value)).toBe(0);
        expect(services.get(key)).toEqual(value);
        expect([...services.entries()]).toEqual([[key, value]]);
        const row = services.find(key.address.words, 0, key.port, key.slot, key.protocol, key.scope);
        expect(services.union(row)).toBe(value.union);
        expect(services.delete(key)).toBe(true);
        expect(services.size).toBe(0);
      }),
    );
    fc.assert(
      fc.property(u32, address, u16, u8, u8, u16, u8, (id, address, port, protocol, state, clusterId, zone) => {
        const { backends } = new LbMaps().of(address.family);
        const value = { address, port, protocol, state, clusterId, zone };
        backends.set(id, value);
        expect(backends.get(id)).toEqual(value);
        expect([...backends.entries()]).toEqual([[id, value]]);
      }),
    );
  });

  it('keeps reverse NAT, affinity, match and skip entries of both families apart', () => {
    const maps = new LbMaps();
    const v4 = parseAddress('10.0.0.1');
    const v6 = parseAddress('fd00::1');
    maps.v4.reverseNat.set(7, { address: v4, port: 80 });
    expect(maps.v6.reverseNat.get(7)).toBeUndefined();
    expect([...maps.v4.reverseNat.entries()]).toEqual([[7, { address: v4, port: 80 }]]);
    const cookie = u64('18446744073709551615');
    for (const client of [{ address: v6 }, { netnsCookie: cookie }]) {
      maps.v6.affinity.set({ client, revNatIndex: 7 }, { lastUsed: 1, backendId: 2 });
    }
    expect([...maps.v6.affinity.entries()]).toEqual([
      [
        { client: { address: v6 }, revNatIndex: 7 },
        { lastUsed: 1, backendId: 2 },
      ],
      [
        { client: { netnsCookie: cookie }, revNatIndex: 7 },
        { lastUsed: 1, backendId: 2 },
      ],
    ]);
    maps.affinityMatch.add(7, 2);
    expect(maps.affinityMatch.contains(7, 2)).toBe(true);
    expect(maps.affinityMatch.contains(2, 7)).toBe(false);
    const skip = { netnsCookie: cookie, address: v4, port: 53 };
    maps.v4.skipLb.set(skip, true);
    expect([...maps.v4.skipLb.entries()]).toEqual([[skip, true]]);
  });

  it('refuses new keys when full and stays as it was; an affinity map drops the least recently used entry', () => {
    const maps = new LbMaps(2);
    expect([1, 2, 3].map((id) => maps.v4.reverseNat.set(id, value(id)))).toEqual([0, 0, -7]);
    expect(maps.v4.reverseNat.set(2, value(9))).toBe(0);
    expect([...maps.v4.reverseNat.entries()].map(([id, { port }]) => [id, port])).toEqual([
      [1, 1],
      [2, 9],
    ]);
    expect([1, 2, 3].map((id) => maps.v4.maglev.set(id, Uint32Array.of(1)))).toEqual([0, 0, -7]);
    const ranges = ['10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16'];
    expect(ranges.map((text) => maps.v4.sourceRanges.add(range(text)))).toEqual([0, 0, -28]);
    expect(maps.v4.sourceRanges.add(range('10.1.0.0/16'))).toBe(0);
    for (const last of [1, 2]) maps.v4.affinity.storeAddress(client(last), 0, 1, 5, 100);
    maps.v4.affinity.lookupAddress(client(1), 0, 1);
    maps.v4.affinity.storeAddress(client(3), 0, 1, 5, 100);
    expect([1, 2, 3].map((last) => maps.v4.affinity.lookupAddress(client(last), 0, 1) >= 0)).toEqual([
      true,
      false,
      true,
    ]);
  });

  it('refuses an address of the other family', () => {
    const { services } = new LbMaps().v4;
    const key = { address: parseAddress('fd00::1'), port: 1, slot: 0, protocol: 6, scope: 0 };
    expect(() => services.get(key)).toThrow(expect.objectContaining({ code: 'family-mismatch' }));
  });

  it('finds a slot in whatever order entries were written and deleted', () => {
    const slots = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 1 });
    fc.assert(
      fc.property(slots, slots, slots, fc.nat(6), fc.nat(6), (first, gone, again, count, qcount) => {
        const { services } = new LbMaps().v4;
        const key = { address: parseAddress('10.0.0.1'), port: 80, protocol: 6, scope: 0 };
        const value = { union: 1, count, revNatIndex: 1, flags: 0, qcount };
        const other = { ...key, port: 81 };
        for (const slot of first) {
          services.set({ ...key, slot }, value);
          services.set({ ...other, slot }, value);
        }
        for (const slot of gone) services.delete({ ...key, slot });
        for (const slot of [...again, 0]) services.set({ ...key, slot }, value);
        const { words } = key.address;
        const master = services.find(words, 0, 80, 0, 6, 0);
        for (let slot = 1; slot < 8; slot++) {
          const plain = services.find(words, 0, 80, slot, 6, 0);
          expect(services.findSlot(master, words, 0, 80, slot, 6, 0)).toBe(plain);
        }
      }),
    );
  });

  it('finds an address in a source range exactly when a range of that service holds it', () => {
    const cidr = address.chain((address) =>
      fc.integer({ min: 0, max: 32 * address.words.length }).map((bits) => ({ address, bits, revNatIndex: bits % 2 })),
    );
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 12 }), address, fc.boolean(), (cidrs, other, near) => {
        const maps = new LbMaps();
        for (const range of cidrs) {
          maps.of(range.address.family).sourceRanges.add({ revNatIndex: range.revNatIndex, cidr: range });
        }
        const probe = near && cidrs.length > 0 ? cidrs[0]!.address : other;
        const found = maps.of(probe.family).sourceRanges.contains(1, probe.words, 0);
        expect(found).toBe(cidrs.some((range) => range.revNatIndex === 1 && cidrContains(range, probe)));
        for (const range of cidrs) {
          maps.of(range.address.family).sourceRanges.delete({ revNatIndex: range.revNatIndex, cidr: range });
        }
        expect(maps.v4.sourceRanges.size + maps.v6.sourceRanges.size).toBe(0);
        expect(maps.of(probe.family).sourceRanges.contains(1, probe.words, 0)).toBe(false);
      }),
    );
  });
});

describe('layout', () => {
  it('lets everybody in where source ranges are not asked', () => {
    const client = [0x01020304];
    const allows = (maps: LbMaps): boolean => sourceRangeAllows(maps.v4, ServiceFlag.SOURCE_RANGE, 7, client, 0);
    expect([allows(new LbMaps()), allows(new LbMaps(64, {}, false))]).toEqual([false, true]);
  });

  it('reads what it writes into the union word', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffff }), u8, u16, (timeout, algorithm, port) => {
        expect(affinityTimeout(affinityUnion(timeout, algorithm))).toBe(timeout);
        expect(serviceAlgorithm(affinityUnion(timeout, algorithm))).toBe(algorithm);
        expect(l7ProxyPort(l7Union(port))).toBe(port);
      }),
    );
    expect(l7Union(10829)).toBe(0x4d2a);
  });

  it('gives the shared bit its meaning by the hostPort flag', () => {
    expect(isL7Delegate(ServiceFlag.L7_DELEGATE)).toBe(true);
    expect(isL7Delegate(ServiceFlag.HOST_PORT | ServiceFlag.HOST_PORT_LOOPBACK)).toBe(false);
    expect(isL7LoadBalancer(ServiceFlag.L7_LOAD_BALANCER, 0)).toBe(false);
  });
});
