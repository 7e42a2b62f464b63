import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ControlPlane, type ControlPlaneInit, type FaultSource } from '../../src/k8s/index.ts';
import { LbMaps } from '../../src/lb/maps.ts';
import { dumpMaps } from '../../src/report/map-dump.ts';
import { backendCells, frontendCells, serviceCells } from '../../src/report/table-rows.ts';
import { clusterObjects } from '../support/clusters.ts';

const options: ControlPlaneInit = {
  nodeName: 'worker-a',
  algorithm: 'maglev',
  algorithmAnnotation: true,
  maglevTableSize: 251,
};

function newPlane(init: ControlPlaneInit = {}): ControlPlane {
  const plane = new ControlPlane({ ...options, maps: new LbMaps(), ...init });
  plane.setNode({
    labels: { 'topology.kubernetes.io/zone': 'a' },
    addresses: [{ address: '192.0.2.1' }, { address: '192.0.2.2' }, { address: '2001:db8::1' }],
  });
  return plane;
}

const tables = (plane: ControlPlane): unknown => [
  plane.services.map((one) => serviceCells(one, undefined)),
  plane.frontends.map(frontendCells),
  plane.backends.map(backendCells),
];

/** The maps with addresses in place of ids: what is left when ids are numbered otherwise. */
function withoutIds(plane: ControlPlane): string[] {
  const lines = dumpMaps(plane.maps);
  const names = new Map<string, string>();
  for (const line of lines) {
    const [, kind, id, address] = /^(SVC|BE): ID=(\d+) ADDR=(\S+)(?: SLOT=0| STATE)/.exec(line) ?? [];
    if (kind !== undefined) names.set(`${kind === 'BE' ? 'BEID' : 'ID'}=${id}`, address!);
  }
  return lines
    .map((line) =>
      line.startsWith('BE:')
        ? line.replace(/ID=\d+ /, '')
        : line
            .replaceAll(/\b(BEID|ID)=\d+/g, (text) => names.get(text) ?? text)
            .replace(/INNER=\[(.*)\]/, (_, inner: string) =>
              inner
                .split(', ')
                .map((part) => part.replace(/^(\d+)/, (id) => names.get(`BEID=${id}`) ?? id))
                .sort()
                .join(),
            ),
    )
    .sort();
}

/** Without affinity matches: those of a backend that others still list stay behind, so they depend on what was before. */
const lasting = (lines: readonly string[]): string[] => lines.filter((line) => !line.startsWith('AFF:'));

const shuffled = fc.tuple(clusterObjects, fc.infiniteStream(fc.nat())).map(([objects, keys]) => {
  const keyed = objects.map((object) => ({ object, key: keys.next().value as number }));
  return { objects, other: keyed.sort((a, b) => a.key - b.key).map(({ object }) => object) };
});

const refs = (objects: readonly object[]): Record<string, unknown>[] => objects as Record<string, unknown>[];

describe('laws of the control plane', () => {
  it('applying again changes nothing', () => {
    fc.assert(
      fc.property(clusterObjects, (objects) => {
        const plane = newPlane();
        plane.apply(objects);
        const before = dumpMaps(plane.maps);
        const rows = tables(plane);
        plane.apply(objects);
        expect(dumpMaps(plane.maps)).toEqual(before);
        expect(tables(plane)).toEqual(rows);
      }),
    );
  });

  it('the order of the objects, and how they are batched, does not matter up to ids', () => {
    fc.assert(
      fc.property(shuffled, ({ objects, other }) => {
        const together = newPlane();
        together.apply(objects);
        const oneByOne = newPlane();
        for (const object of other) oneByOne.apply([object]);
        expect(withoutIds(oneByOne)).toEqual(withoutIds(together));
        expect(tables(oneByOne)).toEqual(tables(together));
      }),
    );
  });

  it('what was added and removed leaves nothing behind', () => {
    fc.assert(
      fc.property(clusterObjects, (objects) => {
        const plane = newPlane();
        plane.apply(objects);
        // Services first: a backend that goes before its service leaves affinity matches, as with the agent (docs/fidelity.md).
        const isService = (object: object): boolean => (object as { kind: string }).kind === 'Service';
        plane.remove(refs(objects.filter(isService)));
        plane.remove(refs(objects.filter((object) => !isService(object))));
        expect(dumpMaps(plane.maps)).toEqual([]);
        expect(plane.usedIds).toEqual({ services: 0, backends: 0 });
        expect([plane.services, plane.frontends, plane.backends]).toEqual([[], [], []]);
      }),
    );
  });

  it('a change gives what the changed objects alone would give, up to ids', () => {
    fc.assert(
      fc.property(clusterObjects, clusterObjects, (first, second) => {
        const key = (object: object): string => {
          const { kind, metadata } = object as { kind: string; metadata: { name: string } };
          return `${kind} ${metadata.name}`;
        };
        const kept = new Set(second.map(key));
        const changed = newPlane();
        changed.apply(first);
        changed.remove(refs(first.filter((object) => !kept.has(key(object)))));
        changed.apply(second);
        const fresh = newPlane();
        fresh.apply(second);
        expect(lasting(withoutIds(changed))).toEqual(lasting(withoutIds(fresh)));
        expect(tables(changed)).toEqual(tables(fresh));
      }),
    );
  });

  it('an apply that fails leaves everything as it was', () => {
    fc.assert(
      fc.property(clusterObjects, clusterObjects, fc.nat(), (first, second, at) => {
        const plane = newPlane();
        plane.apply(first);
        const before = [dumpMaps(plane.maps), tables(plane), plane.usedIds];
        const broken = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' }, spec: { ports: 'none' } };
        const objects = second.toSpliced(at % (second.length + 1), 0, broken);
        expect(() => plane.apply(objects, { strict: true })).toThrow(/spec.ports/);
        expect([dumpMaps(plane.maps), tables(plane), plane.usedIds]).toEqual(before);
      }),
    );
  });

  it('map writes that fail and are tried again end in the same maps, up to ids', () => {
    fc.assert(
      fc.property(clusterObjects, clusterObjects, fc.array(fc.nat({ max: 400 }), { maxLength: 6 }), (a, b, faults) => {
        const failing = new Set(faults);
        let writes = 0;
        const fault: FaultSource = () => (failing.has(writes++) ? -7 : 0);
        const plane = newPlane({ fault });
        const calm = newPlane();
        for (const objects of [a, b]) {
          calm.apply(objects);
          let report = plane.apply(objects);
          for (let i = 0; report.failed.length > 0; i++) {
            if (i > faults.length) throw new Error('does not settle');
            report = plane.retry();
          }
        }
        expect(lasting(withoutIds(plane))).toEqual(lasting(withoutIds(calm)));
        expect(tables(plane)).toEqual(tables(calm));
        plane.prune();
        expect(lasting(withoutIds(plane))).toEqual(lasting(withoutIds(calm)));
      }),
    );
  });

  it('a restart takes over every id and changes no entry', () => {
    fc.assert(
      fc.property(clusterObjects, (objects) => {
        const plane = newPlane();
        plane.apply(objects);
        const before = dumpMaps(plane.maps);
        plane.restart();
        plane.prune();
        expect(dumpMaps(plane.maps)).toEqual(before);
      }),
    );
  });

  it('prune finds nothing to do on maps of its own making', () => {
    fc.assert(
      fc.property(clusterObjects, (objects) => {
        const plane = newPlane();
        plane.apply(objects);
        expect(plane.prune().mapWrites).toBe(0);
      }),
    );
  });
});
