import { ASSUMED_VALUES, type ConfigInput, valuesSource } from '../config/resolve.ts';
import { LbtwinError } from '../errors.ts';
import type { Frontend } from '../k8s/model.ts';
import type { RawObject } from '../k8s/raw.ts';
import { BackendState, Scope } from '../lb/layout.ts';
import { type Family, formatAddress, type IpAddress, isUnspecified } from '../net/address.ts';
import { type Cidr, cidrContains, maskCidr } from '../net/cidr.ts';
import { formatEndpoint, formatL4Address } from '../net/endpoint.ts';
import { nearest } from '../text/index.ts';
import { Cluster } from './cluster.ts';
import type { Journey, Outcome } from './journey.ts';
import { nodeAddress, podAddress, type TopologyNode, type TopologyPod } from './topology.ts';

export type MatrixClient = 'pod' | 'host' | 'external';

/** One way to ask for a service, and what comes of it. */
export interface MatrixRow {
  /** `namespace/name` */
  readonly service: string;
  /** `203.0.113.10:80/TCP`; of a NodePort the address that is called. */
  readonly frontend: string;
  readonly type: string;
  readonly externalTrafficPolicy: string;
  readonly internalTrafficPolicy: string;
  readonly client: MatrixClient;
  /** Where the client is; of an external one where the packet enters. */
  readonly node: string;
  /** The address that is called belongs to this node, to another one, or to none. */
  readonly target: 'own node' | 'other node' | 'service';
  /** Whether the node runs a backend of the service. */
  readonly hasLocal: boolean;
  /** Which of the service's usable backends may be picked. */
  readonly candidates: 'all' | 'local' | 'zone' | 'some' | 'none';
  readonly count: number;
  /** Usable backends of the service at all. */
  readonly of: number;
  /** `replied`, `EHOSTUNREACH`, a drop reason, … */
  readonly result: string;
  /** What a backend on the client's node sees as source, and one elsewhere; `undefined` where there is none. */
  readonly sourceSeen: { readonly local: string | undefined; readonly remote: string | undefined };
  readonly translatedAt: 'socket' | 'packet' | undefined;
}

export interface MatrixOptions {
  readonly config?: ConfigInput;
  /** Only this service, `namespace/name`. */
  readonly service?: string | undefined;
}

export interface Matrix {
  readonly rows: readonly MatrixRow[];
  /** The configuration that was asked for. */
  readonly configuration: string;
  readonly assumptions: readonly string[];
}

/** The draw of a slot shows every backend that may be picked; which ones these are does not hang on the algorithm. */
const DRAWN = valuesSource({ loadBalancer: { algorithm: 'random' } }, 'for listing candidates');

/**
 * Sends a packet from every kind of client on every node to every frontend and tells who may answer, as whom the backend sees the client, and
 * what happens when nobody can.
 * @throws LbtwinError `unknown-service`, and those of `Cluster.fromKubernetes`
 */
export function serviceMatrix(objects: readonly RawObject[], options: MatrixOptions = {}): Matrix {
  const config = options.config ?? {};
  const { origin } = Cluster.fromKubernetes(objects, { config }).resolved;
  const open = config.configMap === undefined && (config.values ?? []).length === 0 && !hasConfigMap(objects);
  const values = [...(open ? [ASSUMED_VALUES] : (config.values ?? [])), DRAWN];
  const cluster = Cluster.fromKubernetes(objects, { config: { ...config, values } });
  const rows = new MatrixRun(cluster).rows(options.service);
  return { rows, configuration: origin, assumptions: cluster.assumptions };
}

const hasConfigMap = (objects: readonly RawObject[]): boolean => objects.some(({ kind }) => kind === 'ConfigMap');

interface Target {
  readonly address: IpAddress;
  readonly kind: MatrixRow['target'];
}

class MatrixRun {
  readonly #cluster: Cluster;
  readonly #nodes: readonly TopologyNode[];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#nodes = [...cluster.topology.nodes.values()];
  }

  rows(service: string | undefined): MatrixRow[] {
    const names = new Set(
      this.#nodes.flatMap(({ name }) => this.#cluster.node(name).plane.services.map((one) => one.name)),
    );
    if (service !== undefined && !names.has(service)) {
      const near = nearest(service, names);
      throw new LbtwinError('unknown-service', `there is no service ${JSON.stringify(service)}`, {
        allowed: (near.length > 0 ? near : [...names].sort().slice(0, 12)).join(', '),
      });
    }
    const rows: MatrixRow[] = [];
    for (const name of service === undefined ? [...names].sort() : [service]) {
      for (const key of this.#frontendKeys(name)) {
        for (const node of this.#nodes) rows.push(...this.#rowsOn(node, key));
      }
    }
    return rows;
  }

  /** Addresses of a service's frontends on any node; entries for clients inside are found through them. */
  #frontendKeys(service: string): Set<string> {
    const keys = new Set<string>();
    for (const { name } of this.#nodes) {
      for (const { key, scope } of this.#cluster.node(name).plane.frontendsOf(service)) {
        if (scope === Scope.EXTERNAL) keys.add(key);
      }
    }
    return keys;
  }

  #rowsOn(node: TopologyNode, key: string): MatrixRow[] {
    const frontend = this.#cluster.node(node.name).plane.frontend(key);
    if (frontend === undefined) return [];
    const rows: MatrixRow[] = [];
    const { family } = frontend.address;
    const pod = this.#podOn(node, family, frontend);
    for (const target of this.#targets(frontend, node)) {
      if (pod !== undefined) rows.push(this.#ask(frontend, node, 'pod', `pod:${pod.namespace}/${pod.name}`, target));
      if (nodeAddress(node, family) !== undefined)
        rows.push(this.#ask(frontend, node, 'host', `node:${node.name}`, target));
      if (target.kind === 'other node') continue;
      const client = formatEndpoint({ address: externalClient(frontend), port: 40_000 });
      rows.push(this.#ask(frontend, node, 'external', `external:${client}`, target));
    }
    return rows;
  }

  /** A pod that is no backend of the service, if there is one. */
  #podOn(node: TopologyNode, family: Family, frontend: Frontend): TopologyPod | undefined {
    const pods = [...this.#cluster.topology.pods.values()].filter(
      (pod) => pod.node === node.name && !pod.hostNetwork && podAddress(pod, family) !== undefined,
    );
    const backends = new Set(frontend.entry.instances.map(({ backend }) => formatAddress(backend.address)));
    return pods.find((pod) => !pod.addresses.some((one) => backends.has(formatAddress(one)))) ?? pods[0];
  }

  #targets({ address, type }: Frontend, node: TopologyNode): Target[] {
    if (!isUnspecified(address)) return [{ address, kind: 'service' }];
    const own = nodeAddress(node, address.family);
    // A hostPort is there on its own node only.
    const other =
      type === 'HostPort' ? undefined : this.#nodes.find((one) => one !== node && nodeAddress(one, address.family));
    const there = other === undefined ? undefined : nodeAddress(other, address.family);
    return [
      ...(own === undefined ? [] : [{ address: own, kind: 'own node' as const }]),
      ...(there === undefined ? [] : [{ address: there, kind: 'other node' as const }]),
    ];
  }

  #ask(frontend: Frontend, node: TopologyNode, client: MatrixClient, from: string, target: Target): MatrixRow {
    const { port, protocol } = frontend;
    const to = formatL4Address({ address: target.address, port, protocol });
    this.#cluster.forget();
    const journey = this.#cluster.send({ from, to, ...(client === 'external' ? { via: node.name } : {}) });
    const row = frontend.entry.service!;
    const usable = usableBackends(frontend);
    const outcomes = journey.alternatives ?? [journey.outcome];
    const reached = new Set(outcomes.map(({ backend }) => backend).filter((one) => one !== undefined));
    const local = new Set(usable.filter(({ nodeName }) => nodeName === node.name).map(({ at }) => at));
    const picked = [...reached].filter((one) => usable.some(({ at }) => at === one));
    return {
      service: row.name,
      frontend: target.kind === 'service' ? frontend.key : to,
      type: frontend.type,
      externalTrafficPolicy: row.extPolicy,
      internalTrafficPolicy: row.intPolicy,
      client,
      node: node.name,
      target: target.kind,
      hasLocal: local.size > 0,
      candidates: extent(picked, usable.length, local, row.marks.preferClose),
      count: picked.length,
      of: usable.length,
      result: resultOf(journey, picked.length),
      sourceSeen: this.#sourceSeen(outcomes, from, local),
      translatedAt: picked.length === 0 ? undefined : journey.outcome.translatedAt,
    };
  }

  #sourceSeen(outcomes: readonly Outcome[], from: string, local: ReadonlySet<string>): MatrixRow['sourceSeen'] {
    const seen = (here: boolean): string | undefined => {
      const found = outcomes.find(
        ({ backend, sourceSeen }) => backend !== undefined && sourceSeen !== undefined && local.has(backend) === here,
      );
      return found === undefined ? undefined : this.#whoIs(found.sourceSeen!, from);
    };
    return { local: seen(true), remote: seen(false) };
  }

  /** `client`, `node worker-1`, or the address. */
  #whoIs(source: string, from: string): string {
    const address = source.replace(/:(?:\d+|\*)$/, '').replace(/^\[(.*)\]$/, '$1');
    if (from.startsWith('external:')) {
      if (from.includes(`:${address}:`) || from.includes(`[${address}]`)) return 'client';
    } else if (from.startsWith('pod:')) {
      const pod = this.#cluster.topology.podByAddress.get(address);
      if (pod !== undefined && from === `pod:${pod.namespace}/${pod.name}`) return 'client';
    }
    const node = this.#cluster.topology.nodeByAddress.get(address);
    if (node === undefined) return address;
    return from === `node:${node.name}` ? 'client' : `node ${node.name}`;
  }
}

interface Usable {
  /** `ip:port` */
  readonly at: string;
  readonly nodeName: string;
}

/** The active backends of a frontend's service, wherever they run; without any, the terminating ones. */
function usableBackends(frontend: Frontend): Usable[] {
  const { protocol, portName, address, entry } = frontend;
  const fitting = (frontend.redirectTo ?? entry).instances.filter(
    ({ backend, portNames }) =>
      backend.protocol === protocol &&
      backend.address.family === address.family &&
      (portName === '' || portNames.includes(portName)),
  );
  const active = fitting.filter(({ state }) => state === BackendState.ACTIVE);
  const usable = active.length > 0 ? active : fitting.filter(({ state }) => state === BackendState.TERMINATING);
  return usable.map(({ backend, nodeName }) => ({ at: formatEndpoint(backend), nodeName }));
}

function extent(
  picked: readonly string[],
  usable: number,
  local: ReadonlySet<string>,
  zones: boolean,
): MatrixRow['candidates'] {
  if (picked.length === 0) return 'none';
  if (picked.length === usable) return 'all';
  if (picked.length === local.size && picked.every((one) => local.has(one))) return 'local';
  return zones ? 'zone' : 'some';
}

function resultOf({ outcome, alternatives }: Journey, picked: number): string {
  const kinds = new Set((alternatives ?? [outcome]).map(({ kind }) => kind));
  if (kinds.size > 1) return [...kinds].join(' or ');
  if (outcome.errno !== undefined && outcome.kind === 'socketError') return outcome.errno;
  if (outcome.dropReason !== undefined) return `dropped: ${outcome.dropReason.name}`;
  if (outcome.icmp !== undefined) return `rejected: ${outcome.icmp}`;
  return picked === 0 && outcome.kind !== 'undecided' ? `not translated (${outcome.kind})` : outcome.kind;
}

const DOCUMENTATION: Readonly<Record<Family, IpAddress>> = {
  4: { family: 4, words: [0xc6336407] },
  6: { family: 6, words: [0x20010db8, 0x000c0000, 0, 7] },
};

/** A client outside that the service's source ranges let in, where any does. */
function externalClient(frontend: Frontend): IpAddress {
  const { family } = frontend.address;
  const { sourceRanges, marks } = frontend.entry.service!;
  const ranges: Cidr[] = sourceRanges.filter((range) => range.address.family === family);
  const usual = DOCUMENTATION[family];
  if (marks.denyRanges || ranges.length === 0 || ranges.some((range) => cidrContains(range, usual))) return usual;
  const { words } = maskCidr(ranges[0]!).address;
  const inside = [...words];
  if (ranges[0]!.bits < (family === 4 ? 32 : 128)) inside[inside.length - 1] = (inside.at(-1)! | 7) >>> 0;
  return { family, words: inside };
}
