import { isDeepStrictEqual } from 'node:util';
import { syntheticService } from '../../src/k8s/host-ports.ts';
import {
  Backend,
  Frontend,
  type FrontendType,
  type Instance,
  NO_MARKS,
  ScopedAddress,
  ServiceEntry,
  STATE_NAMES,
} from '../../src/k8s/model.ts';
import { DEFAULT_OPTIONS } from '../../src/k8s/options.ts';
import { Reconciler } from '../../src/k8s/reconciler.ts';
import { LbMaps } from '../../src/lb/maps.ts';
import { parseAddress } from '../../src/net/address.ts';
import { parseL4Address } from '../../src/net/endpoint.ts';
import { dumpMaps } from '../../src/report/map-dump.ts';

interface CaseFrontend {
  readonly addr: string;
  readonly type: FrontendType;
  readonly scope: 'external' | 'internal';
  readonly extTrafficPolicy: 'Cluster' | 'Local';
  readonly intTrafficPolicy: 'Cluster' | 'Local';
  readonly sessionAffinity: boolean;
  readonly affinityTimeoutSec: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly natPolicy: string | null;
  readonly proxyPort: number | null;
  readonly redirectTo: string | null;
}

interface ReconcileCase {
  readonly name: string;
  readonly op: 'reconcile' | 'delete';
  readonly frontend: CaseFrontend;
  readonly backends: readonly { readonly addr: string; readonly state: string }[];
  readonly maps: readonly string[];
  readonly maglev: readonly string[];
}

interface Document {
  readonly placeholders: readonly { readonly family: 4 | 6; readonly [name: string]: string | number }[];
  readonly nodePortAddresses: readonly string[];
  readonly maglevTableSize: number;
  readonly sets: readonly {
    readonly set: string;
    readonly algorithmAnnotation: boolean;
    readonly algorithms: readonly ('random' | 'maglev')[];
    readonly cases: readonly ReconcileCase[];
  }[];
}

function frontendOf(given: CaseFrontend, at: ScopedAddress): { frontend: Frontend; service: ServiceEntry } {
  const entry = new ServiceEntry('test/service');
  const algorithm = given.annotations['service.cilium.io/lb-algorithm'];
  entry.service = syntheticService(entry.name, {
    extPolicy: given.extTrafficPolicy,
    intPolicy: given.intTrafficPolicy,
    affinity: given.sessionAffinity ? given.affinityTimeoutSec : undefined,
    nat46x64: given.natPolicy !== null,
    marks: { ...NO_MARKS, algorithm: algorithm === 'random' || algorithm === 'maglev' ? algorithm : undefined },
  });
  if (given.proxyPort !== null) entry.proxyRedirect = { port: given.proxyPort, ports: [] };
  const frontend = new Frontend(at, given.type, entry, '', at.port);
  if (given.redirectTo !== null) frontend.redirectTo = new ServiceEntry(given.redirectTo);
  return { frontend, service: entry };
}

/** Runs every set once per algorithm and family, with fresh maps; the dump after each case counts in full. */
export function runReconcileCases(doc: Document): { runs: number; failures: string[] } {
  const failures: string[] = [];
  let runs = 0;
  let revision = 0;
  for (const set of doc.sets) {
    for (const algorithm of set.algorithms) {
      for (const names of doc.placeholders) {
        const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (_, name: string) => String(names[name]));
        const maps = new LbMaps();
        const rows = new Map<string, Backend>();
        const reconciler = new Reconciler(maps, {
          ...DEFAULT_OPTIONS,
          algorithm,
          algorithmAnnotation: set.algorithmAnnotation,
          maglevTableSize: doc.maglevTableSize,
        });
        reconciler.setNodeAddresses(doc.nodePortAddresses.map((address) => parseAddress(address)));
        for (const one of set.cases) {
          runs++;
          const l4 = parseL4Address(fill(one.frontend.addr));
          const scope = one.frontend.scope === 'internal' ? 1 : 0;
          const at = new ScopedAddress(l4.address, l4.port, l4.protocol, scope);
          const { frontend, service } = frontendOf(one.frontend, at);
          const instances = one.backends.map(({ addr, state }): Instance => {
            const { address, port, protocol } = parseL4Address(addr);
            const at = new ScopedAddress(address, port, protocol, 0);
            const backend = rows.get(at.key) ?? new Backend(at);
            rows.set(at.key, backend);
            backend.revision = ++revision;
            return {
              backend,
              entry: service,
              source: 'k8s',
              portNames: [],
              weight: 0,
              nodeName: '',
              zone: '',
              forZones: [],
              clusterId: 0,
              state: STATE_NAMES.indexOf(state),
              unhealthy: false,
              healthKnown: false,
              next: undefined,
            };
          });
          if (one.op === 'delete') reconciler.remove(at);
          else reconciler.update(frontend, service.service!, instances);
          reconciler.prune();
          const maglev = algorithm === 'random' && !set.algorithmAnnotation ? [] : one.maglev;
          const want = [...one.maps, ...maglev].map(fill).sort();
          const got = dumpMaps(maps);
          if (!isDeepStrictEqual(got, want)) {
            failures.push(`${set.set}/${one.name} ${algorithm} IPv${names.family}: ${JSON.stringify({ got, want })}`);
          }
        }
      }
    }
  }
  return { runs, failures };
}
