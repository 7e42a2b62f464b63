import { ASSUMED_VALUES, type ConfigInput, valuesSource } from '../config/resolve.ts';
import { LbtwinError } from '../errors.ts';
import type { ChangeReport } from '../k8s/control-plane.ts';
import { compareText, type Frontend } from '../k8s/model.ts';
import type { RawObject } from '../k8s/raw.ts';
import { BackendState, Scope } from '../lb/layout.ts';
import type { TraceEvent } from '../lb/trace.ts';
import { type Family, formatAddress, type IpAddress } from '../net/address.ts';
import { formatEndpoint, formatL4Address } from '../net/endpoint.ts';
import { Cluster } from './cluster.ts';
import type { Journey, Outcome } from './journey.ts';
import { type HealthCheck, healthChecksOf } from './host-reason.ts';
import { clientNodes, externalClient, type Offer, type Target, targetsAt } from './matrix-targets.ts';
import { nodeNamed, unknownName } from './party.ts';
import { nodeAddress, podAddress, type TopologyNode, type TopologyPod } from './topology.ts';

export type MatrixClient = 'pod' | 'host' | 'external';

/** One way to ask for a service, and what comes of it. */
export interface MatrixRow {
  /** `namespace/name` */
  readonly service: string;
  /** What is called: `203.0.113.10:80/TCP`; of a NodePort or hostPort with the address of a node. */
  readonly frontend: string;
  readonly type: string;
  readonly externalTrafficPolicy: string;
  readonly internalTrafficPolicy: string;
  readonly client: MatrixClient;
  /** Where the client is; of an external one where the packet enters. */
  readonly node: string;
  /** Which address is called of a frontend that stands for any of a node's; `service`: the frontend has an address of its own. */
  readonly target: Target['kind'];
  /** The node that has the address that is called: an external IP may be a node's, too. */
  readonly addressOf: string | undefined;
  /** Whether the node runs a backend of the service. */
  readonly hasLocal: boolean;
  /** Which of the service's usable backends may be picked; `unknown` where a journey is undecided. */
  readonly candidates: 'all' | 'local' | 'zone' | 'some' | 'none' | 'unknown';
  readonly count: number;
  /** Usable backends of the service at all. */
  readonly of: number;
  /** `replied`, `EHOSTUNREACH`, a drop reason, … */
  readonly result: string;
  /** What a backend on the client's node sees as source, and one elsewhere; `undefined` where there is none. */
  readonly sourceSeen: { readonly local: string | undefined; readonly remote: string | undefined };
  readonly translatedAt: 'socket' | 'packet' | undefined;
  /** The node that translates: the client's, or one that the packet came to. */
  readonly translatedOn: string | undefined;
}

export interface MatrixOptions {
  readonly config?: ConfigInput;
  /** Only this service, `namespace/name`. */
  readonly service?: string | undefined;
  /** Only clients at this node. */
  readonly node?: string | undefined;
}

export interface Matrix {
  readonly rows: readonly MatrixRow[];
  /** What health check node ports answer, of the services in the rows: by service, then node. */
  readonly healthChecks: readonly HealthCheck[];
  /** What the control plane said to the objects. */
  readonly report: ChangeReport;
  /** The configuration that was asked for. */
  readonly configuration: string;
  readonly assumptions: readonly string[];
}

/** The draw of a slot shows every backend that may be picked; which ones these are does not hang on the algorithm. */
const DRAWN = valuesSource({ loadBalancer: { algorithm: 'random' } }, 'for listing candidates');

/**
 * Sends a packet from every kind of client on every node to every frontend and tells who may answer, as whom the backend sees the client, and
 * what happens when nobody can.
 * @throws LbtwinError `unknown-service`, `unknown-node`, `no-nodes`, `no-frontends`, and those of `Cluster.fromKubernetes`
 */
export function serviceMatrix(objects: readonly RawObject[], options: MatrixOptions = {}): Matrix {
  const config = options.config ?? {};
  const { origin } = Cluster.fromKubernetes(objects, { config }).resolved;
  const open = config.configMap === undefined && (config.values ?? []).length === 0 && !hasConfigMap(objects);
  const values = [...(open ? [ASSUMED_VALUES] : (config.values ?? [])), DRAWN];
  const cluster = Cluster.fromKubernetes(objects, { config: { ...config, values } });
  const run = new MatrixRun(cluster, options.node);
  const rows = run.rows(options.service);
  const healthChecks = run.healthChecks(new Set(rows.map(({ service }) => service)));
  return { rows, healthChecks, report: cluster.report!, configuration: origin, assumptions: cluster.assumptions };
}

const hasConfigMap = (objects: readonly RawObject[]): boolean => objects.some(({ kind }) => kind === 'ConfigMap');

/** One kind of call that clients at a node may make. */
interface Question extends Offer {
  readonly frontend: Frontend;
  readonly node: TopologyNode;
  readonly target: Target;
}

class MatrixRun {
  readonly #cluster: Cluster;
  readonly #nodes: readonly TopologyNode[];
  readonly #only: TopologyNode | undefined;

  constructor(cluster: Cluster, only: string | undefined) {
    this.#cluster = cluster;
    this.#nodes = [...cluster.topology.nodes.values()];
    this.#only = only === undefined ? undefined : nodeNamed(cluster.topology, only);
    if (this.#nodes.length === 0) {
      throw new LbtwinError('no-nodes', 'there is no node to ask from', {
        allowed: 'objects with Nodes, or with Pods or EndpointSlices that name theirs',
      });
    }
  }

  rows(service: string | undefined): MatrixRow[] {
    const names = new Set(
      this.#nodes.flatMap(({ name }) => this.#cluster.node(name).plane.services.map((one) => one.name)),
    );
    if (service !== undefined && !names.has(service)) {
      throw unknownName('unknown-service', 'service', service, [...names].sort());
    }
    const rows: MatrixRow[] = [];
    for (const name of service === undefined ? [...names].sort() : [service]) {
      for (const offer of this.#offers(name)) {
        for (const question of this.#questions(name, offer)) rows.push(...this.#rowsOf(question));
      }
    }
    if (rows.length === 0) {
      throw new LbtwinError(
        'no-frontends',
        `${service === undefined ? 'no service has an' : `${service} has no`} address to call`,
        {
          allowed:
            'services with a cluster IP, a NodePort, an external or a load balancer address; pods with hostPorts',
        },
      );
    }
    return rows;
  }

  healthChecks(services: ReadonlySet<string>): HealthCheck[] {
    const nodes = this.#only === undefined ? this.#nodes : [this.#only];
    return nodes
      .flatMap(({ name }) => healthChecksOf(this.#cluster.node(name)))
      .filter(({ service }) => services.has(service))
      .sort((a, b) => compareText(a.service, b.service) || compareText(a.node, b.node));
  }

  /** A service's frontends on any node; entries for clients inside are found through those for clients outside. */
  #offers(service: string): Iterable<Offer> {
    const offers = new Map<string, Offer>();
    for (const node of this.#nodes) {
      for (const { key, scope, type, address } of this.#cluster.node(node.name).plane.frontendsOf(service)) {
        if (scope !== Scope.EXTERNAL || offers.has(key)) continue;
        offers.set(key, { key, family: address.family, ...(type === 'HostPort' ? { home: node } : {}) });
      }
    }
    return offers.values();
  }

  *#questions(service: string, offer: Offer): Iterable<Question> {
    const { topology } = this.#cluster;
    for (const node of this.#only === undefined ? clientNodes(offer, topology) : [this.#only]) {
      const frontend = this.#cluster.node((offer.home ?? node).name).plane.frontend(offer.key);
      // The address may be another service's here: of one that is not exposed on every node.
      if (frontend?.entry.name !== service) continue;
      const served = ({ name }: TopologyNode): readonly IpAddress[] => this.#cluster.node(name).plane.nodePortAddresses;
      for (const target of targetsAt(node, frontend.address, offer, topology, served)) {
        yield { ...offer, frontend, node, target };
      }
    }
  }

  #rowsOf(question: Question): MatrixRow[] {
    const { family, frontend, node, target } = question;
    const rows: MatrixRow[] = [];
    const pod = this.#podOn(node, family, frontend);
    if (pod !== undefined) rows.push(this.#ask(question, 'pod', `pod:${pod.namespace}/${pod.name}`));
    if (nodeAddress(node, family) !== undefined) rows.push(this.#ask(question, 'host', `node:${node.name}`));
    // From outside nobody calls a loopback address, nor does a node's address lead to another node.
    if (target.kind === 'loopback' || (target.owner ?? node) !== node) return rows;
    const client = formatEndpoint({ address: externalClient(frontend), port: 40_000 });
    return [...rows, this.#ask(question, 'external', `external:${client}`)];
  }

  /** A pod that is no backend of the service, if there is one. */
  #podOn(node: TopologyNode, family: Family, frontend: Frontend): TopologyPod | undefined {
    const pods = [...this.#cluster.topology.pods.values()].filter(
      (pod) => pod.node === node.name && !pod.hostNetwork && podAddress(pod, family) !== undefined,
    );
    const backends = new Set(frontend.entry.instances.map(({ backend }) => formatAddress(backend.address)));
    return pods.find((pod) => !pod.addresses.some((one) => backends.has(formatAddress(one)))) ?? pods[0];
  }

  #ask({ frontend, home, node, target }: Question, client: MatrixClient, from: string): MatrixRow {
    const { port, protocol } = frontend;
    const to = formatL4Address({ address: target.address, port, protocol });
    this.#cluster.forget();
    const journey = this.#cluster.send({ from, to, ...(client === 'external' ? { via: node.name } : {}) });
    const row = frontend.entry.service!;
    const usable = usableBackends(frontend, home);
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
      addressOf: target.owner?.name,
      hasLocal: local.size > 0,
      candidates: outcomes.some(({ kind }) => kind === 'undecided')
        ? 'unknown'
        : extent(picked, usable.length, local, row.marks.preferClose),
      count: picked.length,
      of: usable.length,
      result: resultOf(journey, picked.length),
      sourceSeen: this.#sourceSeen(outcomes, from, local),
      translatedAt: picked.length === 0 ? undefined : journey.outcome.translatedAt,
      translatedOn: picked.length === 0 ? undefined : translatedOn(journey),
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

/**
 * The active backends of a frontend's service, wherever they run; without any, the terminating ones.
 * @param home the node of a hostPort's pod, of which the tables do not say where it runs
 */
function usableBackends(frontend: Frontend, home: TopologyNode | undefined): Usable[] {
  const { protocol, portName, address, entry } = frontend;
  const fitting = (frontend.redirectTo ?? entry).instances.filter(
    ({ backend, portNames }) =>
      backend.protocol === protocol &&
      backend.address.family === address.family &&
      (portName === '' || portNames.includes(portName)),
  );
  const active = fitting.filter(({ state }) => state === BackendState.ACTIVE);
  const usable = active.length > 0 ? active : fitting.filter(({ state }) => state === BackendState.TERMINATING);
  return usable.map(({ backend, nodeName }) => ({ at: formatEndpoint(backend), nodeName: home?.name ?? nodeName }));
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

/** The node on which a program first put a backend's address for the service's. */
const translatedOn = ({ hops }: Journey): string | undefined =>
  hops.find(({ direction, events }) => direction === 'request' && events.some(isTranslation))?.node;

const isTranslation = (event: TraceEvent): boolean => event.kind === 'rewrite' && event.field === 'destination';
