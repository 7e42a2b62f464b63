import type { LbMaps } from '../src/lb/index.ts';
import { type Family, type IpAddress, Protocol } from '../src/net/index.ts';

/** Address number `i` of a kind, of either family. */
export const addressOf = (family: Family, kind: number, i: number): IpAddress =>
  family === 4
    ? { family, words: [((10 << 24) | (kind << 20) | i) >>> 0] }
    : { family, words: [0xfd000000, kind, 0, i + 1] };

/** Services `addressOf(1, i)`:80/TCP, each with backends of its own, `addressOf(2, ...)`:8080. */
export function fillServices(
  maps: LbMaps,
  family: Family,
  { services, backends, flags = 0 }: { services: number; backends: number; flags?: number },
): void {
  const { services: map, backends: backendMap, reverseNat } = maps.of(family);
  for (let i = 0; i < services; i++) {
    const key = { address: addressOf(family, 1, i), port: 80, protocol: Protocol.TCP, scope: 0 };
    const value = { revNatIndex: i + 1, flags, qcount: 0 };
    for (let slot = 1; slot <= backends; slot++) {
      const id = i * backends + slot;
      const backend = { address: addressOf(family, 2, id), port: 8080, protocol: Protocol.TCP };
      backendMap.set(id, { ...backend, state: 0, clusterId: 0, zone: 0 });
      map.set({ ...key, slot }, { ...value, union: id, count: 0 });
    }
    // As the agent does it: the slots first, then what makes them visible.
    map.set({ ...key, slot: 0 }, { ...value, union: 0, count: backends });
    reverseNat.set(i + 1, { address: key.address, port: 80 });
  }
}
