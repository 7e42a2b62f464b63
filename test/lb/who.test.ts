import { describe, expect, it } from 'vitest';
import { hashTuple } from '../../src/hash/tuple.ts';
import { Algorithm, Scope, ServiceFlag } from '../../src/lb/layout.ts';
import { LbMaps } from '../../src/lb/maps.ts';
import { clientPorts, type SelectionSettings, whoReaches } from '../../src/lb/who.ts';
import { parseAddress } from '../../src/net/address.ts';
import { parseL4Address } from '../../src/net/endpoint.ts';

const settings: SelectionSettings = {
  algorithm: 'maglev',
  algorithmAnnotation: false,
  hashSeed4: 0x71dcda46,
  hashSeed6: 0x92505688,
};
const ROUTABLE = ServiceFlag.ROUTABLE | ServiceFlag.LOAD_BALANCER;
const TABLE = Uint32Array.of(1, 2, 1, 2, 2, 3, 2);

interface Added {
  readonly id: number;
  readonly flags: number;
  readonly backends: readonly number[];
  readonly union?: number;
}

function maps(...services: readonly (readonly [frontend: string, Added])[]): LbMaps {
  const all = new LbMaps(100);
  for (const id of [1, 2, 3]) {
    const backend = parseL4Address(`10.0.0.${id}:8080/TCP`);
    all.v4.backends.set(id, { ...backend, state: 0, clusterId: 0, zone: 0 });
  }
  for (const [text, { id, flags, backends, union = 0 }] of services) {
    const key = { ...parseL4Address(text), scope: Scope.EXTERNAL };
    all.v4.services.set({ ...key, slot: 0 }, { union, count: backends.length, revNatIndex: id, flags, qcount: 0 });
    backends.forEach((backend, i) => {
      const value = { union: backend, count: 0, revNatIndex: id, flags, qcount: 0 };
      all.v4.services.set({ ...key, slot: i + 1 }, value);
    });
  }
  all.v4.maglev.set(5, TABLE);
  return all;
}

const web = ['203.0.113.1:80/TCP', { id: 5, flags: ROUTABLE, backends: [1, 2, 3] }] as const;
const one = parseL4Address('10.0.0.1:8080/TCP');

describe('whoReaches', () => {
  it('counts the slots of the Maglev table for packets, of the service for sockets', () => {
    const list = whoReaches(maps(web, ['10.96.0.1:80/TCP', { id: 6, flags: 0, backends: [1, 2, 1] }]), one, settings);
    expect(list).toMatchObject([
      {
        revNatIndex: 5,
        backendId: 1,
        routable: true,
        algorithm: 'maglev',
        tableSlots: [0, 2],
        tableSize: 7,
        share: 2 / 7,
      },
      { revNatIndex: 6, routable: false, algorithm: 'random', slots: [1, 3], count: 3, share: 2 / 3 },
    ]);
  });

  it('knows the algorithm of each service where they name their own', () => {
    const own = (algorithm: number): ReturnType<typeof whoReaches> =>
      whoReaches(maps([web[0], { ...web[1], union: algorithm << 24 }]), one, {
        ...settings,
        algorithmAnnotation: true,
      });
    expect(own(Algorithm.MAGLEV)).toMatchObject([{ algorithm: 'maglev' }]);
    expect(own(Algorithm.RANDOM)).toMatchObject([{ algorithm: 'random', share: 1 / 3 }]);
    expect(own(Algorithm.UNDEFINED)).toEqual([]);
  });

  it.each(['10.0.0.9:8080/TCP', '10.0.0.1:80/TCP', '10.0.0.1:8080/UDP', '[fd00::1]:8080/TCP'])(
    'finds nothing for %s',
    (backend) => {
      expect(whoReaches(maps(web), parseL4Address(backend), settings)).toEqual([]);
    },
  );

  it('leaves out what goes to the proxy', () => {
    const l7 = { ...web[1], flags: ROUTABLE | ServiceFlag.L7_LOAD_BALANCER, union: 10_000 };
    expect(whoReaches(maps([web[0], l7]), one, settings)).toEqual([]);
  });
});

describe('clientPorts', () => {
  const client = parseAddress('198.51.100.7');
  const [reaching] = whoReaches(maps(web), one, settings);

  it('lists exactly the ports whose hash falls on a slot of the backend', () => {
    const ranges = clientPorts(reaching!, client, 1024, 3000, 6, settings);
    for (let port = 1024; port <= 3000; port++) {
      const slot = (hashTuple(4, client.words, 0, port, 80, 6, settings.hashSeed4) >>> 0) % TABLE.length;
      expect(ranges.some(([from, to]) => port >= from && port <= to)).toBe(TABLE[slot] === 1);
    }
    for (let i = 1; i < ranges.length; i++) expect(ranges[i]![0]).toBeGreaterThan(ranges[i - 1]![1] + 1);
  });

  it('with affinity the port does not count', () => {
    const ports = clientPorts({ ...reaching!, affinity: true }, client, 1, 65_535, 6, settings);
    expect([[], [[1, 65_535]]]).toContainEqual(ports);
  });

  it('another family, or algorithm random, tells nothing', () => {
    expect(clientPorts(reaching!, parseAddress('fd00::1'), 1, 9, 6, settings)).toEqual([]);
    expect(clientPorts({ ...reaching!, algorithm: 'random' }, client, 1, 9, 6, settings)).toEqual([]);
  });
});
