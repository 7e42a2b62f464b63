import fc from 'fast-check';
import type { MaglevBackend } from '../../src/maglev/index.ts';

/** `count` backends with different addresses, ids 1.. */
export const backendList = (count: number, from = 0): MaglevBackend[] =>
  Array.from({ length: count }, (_, i) => ({
    id: i + 1 + from,
    address: `10.${((i + from) >> 16) & 255}.${((i + from) >> 8) & 255}.${(i + from) & 255}`,
    port: 80,
    protocol: 'TCP',
  }));

/** Backends with different IPv4 addresses, in any order; ids 1.. */
export const backendsArbitrary = (maxLength: number): fc.Arbitrary<MaglevBackend[]> =>
  fc.uniqueArray(fc.nat(0xffffff), { minLength: 1, maxLength }).map((hosts) =>
    hosts.map((host, i) => ({
      id: i + 1,
      address: `10.${host >> 16}.${(host >> 8) & 255}.${host & 255}`,
      port: 80,
      protocol: 'TCP',
    })),
  );
