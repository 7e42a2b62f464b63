import { type ConfigInput, type ResolvedConfig, refusedConfig, resolveConfig } from '../config/resolve.ts';
import type { DatapathConfig } from '../config/datapath-config.ts';
import type { ConfigData } from '../config/render.ts';
import { LbtwinError } from '../errors.ts';
import type { ChangeReport } from '../k8s/control-plane.ts';
import { describeObject, type RawObject, rawObjects } from '../k8s/raw.ts';
import { formatAddress, parseAddress } from '../net/address.ts';
import { headerLength } from '../net/frame.ts';
import { protocolName } from '../net/protocol.ts';
import { type PolicyClusterOptions, policyConfigOf, policyDatapathOf } from '../policy/index.ts';
import type { ClusterOptions, SendSpec } from './cluster-options.ts';
import { Choices, choicesIn, merged, seededWords } from './choices.ts';
import { TwinNode, type ClusterSettings } from './twin-node.ts';
import { type Exchange, exchange, type Request } from './exchange.ts';
import { serviceFacts } from './facts.ts';
import { Fabric } from './fabric.ts';
import { IdentityBook } from './identities.ts';
import type { Journey } from './journey.ts';
import { Flow } from './flow.ts';
import { Masquerade } from './masquerade.ts';
import { DEFAULT_MTU } from './options.ts';
import { PolicyGate } from './policy-gate.ts';
import { nodeNamed, parseParty, parseTarget, type Party, type Target } from './party.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { podAddress, readTopology, routersAssumed, type Topology, type TopologyNode } from './topology.ts';
import type { WalkContext } from './place.ts';

/** The source port that a pod's or node's kernel takes when none is asked for. */
export const DEFAULT_SOURCE_PORT = 40000;
const DEFAULT_NOW = 1_000_000;
const MAX_ALTERNATIVES = 256;
/** Bytes of an IP packet. */
const MAX_SIZE = 65_535;

/**
 * A whole cluster: nodes with their datapaths, pods, the network between them and clients outside. Packets go from hook to hook until they are
 * answered, dropped or lost (docs/journeys.md). Per-node state is made when a packet first touches the node.
 */
export class Cluster {
  #resolved: ResolvedConfig;
  readonly options: ClusterOptions;
  readonly fabric: Fabric;
  /** Seconds. */
  now: number;
  #topology: Topology;
  readonly #objects = new Map<string, RawObject>();
  readonly #nodes = new Map<string, TwinNode>();
  /** Nodes that may hold flows: those that were asked since flows were forgotten last. */
  readonly #used = new Set<TwinNode>();
  /** Pods that were deleted. */
  readonly #gone = new Set<string>();
  readonly #assumptions = new Set<string>();
  /** Nodes whose router address had to be assumed. */
  readonly #routerless = new Set<string>();
  readonly #identities: IdentityBook;
  #masquerade: Masquerade;
  /** Of the objects as they are. */
  #services: ServiceAddresses;
  #random: (() => number) | undefined;
  #packets = 0;

  private constructor(objects: Iterable<RawObject>, options: ClusterOptions) {
    for (const object of rawObjects(objects)) this.#objects.set(keyOf(object), object);
    const all = [...this.#objects.values()];
    this.options = options;
    this.#resolved = options.resolved ?? resolveConfig(withConfigMap(options.config ?? {}, all));
    const refusal = this.resolved.findings.find(({ severity }) => severity === 'error');
    if (refusal !== undefined) throw refusedConfig(refusal);
    this.now = options.now ?? DEFAULT_NOW;
    this.#topology = readTopology(all);
    this.#identities = new IdentityBook(all, policyOptions(this.resolved.config));
    this.#services = new ServiceAddresses(all);
    this.fabric = new Fabric(this.#topology, all, this.#services, options.fabric ?? {});
    for (const [address, nodes] of Object.entries(options.announce ?? {}))
      this.fabric.announce(parseAddress(address), nodes);
    this.#masquerade = new Masquerade(this.#topology, this.resolved.config);
    this.#random = options.seed === undefined ? undefined : seededWords(options.seed);
    for (const sentence of this.#topology.assumptions) this.#assumptions.add(sentence);
    for (const { object, error } of this.#identities.policy.refused) {
      this.#assumptions.add(
        `${describeObject(object as RawObject)} takes no effect: the agent refuses it (${error.message}).`,
      );
    }
  }

  /**
   * A cluster from its objects: Services, EndpointSlices, Nodes, Pods, CiliumNodes and what else there is.
   * @throws LbtwinError `invalid-object`, `refused-config`, `contradiction`, `unknown-node`, `invalid-address`
   */
  static fromKubernetes(objects: Iterable<RawObject>, options: ClusterOptions = {}): Cluster {
    return new Cluster(objects, options);
  }

  get resolved(): ResolvedConfig {
    return this.#resolved;
  }

  /**
   * The agents start anew with another configuration, on the maps that the old ones left: ids and flows are taken over.
   * @throws LbtwinError `refused-config`
   */
  restart(resolved: ResolvedConfig): void {
    const refusal = resolved.findings.find(({ severity }) => severity === 'error');
    if (refusal !== undefined) throw refusedConfig(refusal);
    this.#resolved = resolved;
    const objects = [...this.#objects.values()];
    for (const node of this.#nodes.values()) node.restart(this.#topology, objects, this.#settings());
  }

  get topology(): Topology {
    return this.#topology;
  }

  /** What was assumed so far because no object says it. */
  get assumptions(): readonly string[] {
    const routers = this.#routerless.size === 0 ? [] : [routersAssumed(this.#routerless)];
    return [...this.#assumptions, ...routers];
  }

  get mtu(): number {
    const { mtu } = this.resolved.config;
    return this.options.mtu ?? (mtu > 0 ? mtu : DEFAULT_MTU);
  }

  /** What the control plane of a node said to the objects; undefined while no packet has needed one. */
  get report(): ChangeReport | undefined {
    for (const { reported } of this.#nodes.values()) if (reported !== undefined) return reported;
    return undefined;
  }

  /** A node with its control plane and datapath. @throws LbtwinError `unknown-node` */
  node(name: string): TwinNode {
    return this.#node(nodeNamed(this.#topology, name));
  }

  #node(topology: TopologyNode): TwinNode {
    let node = this.#nodes.get(topology.name);
    if (node === undefined) {
      node = new TwinNode(this.#topology, topology, [...this.#objects.values()], this.#settings());
      this.#nodes.set(topology.name, node);
    }
    this.#used.add(node);
    return node;
  }

  #settings(): ClusterSettings {
    return {
      config: this.resolved.config,
      mtu: this.mtu,
      defects: this.options.defects ?? {},
      identityOf: (pod) => this.#identities.of(pod),
      serviceAddresses: () => this.#services,
    };
  }

  /**
   * Sends a packet and follows it and its answer. Where the kernel draws a random word that is neither given nor seeded, a cluster that
   * has seen no packet yet answers with all candidates.
   * @throws LbtwinError `random-required`, and those of `parseParty` and `parseTarget`
   */
  send(spec: SendSpec): Journey {
    const request = this.request(spec);
    const open = spec.random === undefined && this.#random === undefined && this.#packets === 0;
    if (open) return this.#alternatives(spec, request);
    const choices = new Choices(spec.random ?? [], this.#random);
    return this.#journey(spec, this.exchange(request, choices));
  }

  /** Everything about a packet that a specification leaves open, decided. */
  request(spec: SendSpec): (choices: Choices) => Request {
    const from = parseParty(spec.from, this.#topology);
    const to = parseTarget(spec.to);
    checkFamily(from, to);
    const via = spec.via === undefined ? undefined : nodeNamed(this.#topology, spec.via);
    if (from.port === undefined && from.kind === 'external' && to.port !== 0) {
      throw new LbtwinError('port-required', 'the backend may depend on the client port', {
        path: ['from'],
        allowed: `${spec.from}:PORT, or spread() over many ports`,
      });
    }
    if (from.port === undefined && to.port !== 0)
      this.#assumptions.add(`The sender's kernel takes source port ${DEFAULT_SOURCE_PORT}.`);
    const least = headerLength(to.protocol, to.address.family);
    if (spec.size !== undefined && !(spec.size >= least && spec.size <= MAX_SIZE)) {
      throw new LbtwinError('invalid-size', `${spec.size} is no length of an IP packet with these headers`, {
        path: ['size'],
        allowed: `${least}..${MAX_SIZE}`,
      });
    }
    const frame = {
      ...(spec.size === undefined ? {} : { length: spec.size }),
      ...(spec.ttl === undefined ? {} : { ttl: spec.ttl }),
      ...(spec.tcpFlags === undefined ? {} : { tcpFlags: spec.tcpFlags }),
      ...(spec.dontFragment === undefined ? {} : { dontFragment: spec.dontFragment }),
    };
    return (choices) => ({
      from,
      to,
      via,
      frame,
      sport: from.port ?? DEFAULT_SOURCE_PORT,
      reply: spec.reply ?? true,
      cookie: () => spec.cookie ?? (protocolName(to.protocol) === 'UDP' ? choices.next() : 1),
    });
  }

  /** One packet and its answer, with the numbers to draw. Without `record` only the outcome is told, ten times faster. */
  exchange(request: (choices: Choices) => Request, choices: Choices, record = true): Exchange {
    this.#packets++;
    const context: WalkContext = {
      fabric: this.fabric,
      mtu: this.mtu,
      now: this.now,
      random: () => choices.next(),
      masquerade: this.#masquerade,
      node: (topology) => this.#node(topology),
      assume: (sentence) => this.#assumptions.add(sentence),
      assumeRouter: (node) => this.#routerless.add(node),
      record,
      policy: this.#identities.enforces ? new PolicyGate(this.#identities) : undefined,
    };
    return exchange(context, request(choices));
  }

  #journey(spec: SendSpec, { outcome, hops }: Exchange): Journey {
    const service = serviceFacts(hops, (name) => this.#nodes.get(name));
    return {
      from: spec.from,
      to: spec.to,
      outcome,
      hops,
      ...(service === undefined ? {} : { service }),
      config: this.resolved.origin,
      assumptions: this.assumptions,
    };
  }

  /**
   * Opens a flow: sends its first packet, and can send more later, after time has passed or the cluster has changed.
   * @throws LbtwinError as `send`; `random-required` where a choice is neither given nor seeded
   */
  open(spec: SendSpec, record = true): Flow {
    const request = this.request(spec);
    const first = this.exchange(request, new Choices(spec.random ?? [], this.#random), record);
    return new Flow(this.#journey(spec, first), first.peer, (tcpFlags, connected) => {
      const more = this.request({ ...spec, tcpFlags });
      const choices = new Choices([], this.#random);
      const next = this.exchange(
        (given) => ({ ...more(given), ...(connected === undefined ? {} : { connected }) }),
        choices,
      );
      return { journey: this.#journey(spec, next) };
    });
  }

  /** Every way that the first random choice may fall, each on state as fresh as before. */
  #alternatives(spec: SendSpec, request: (choices: Choices) => Request): Journey {
    const run = (word: number): { journey: Journey; drawn: number } => {
      this.forget();
      const choices = new Choices([word], seededWords(word));
      const journey = this.#journey(spec, this.exchange(request, choices));
      return { journey, drawn: choices.drawn };
    };
    const first = run(0);
    if (first.drawn === 0) return first.journey;
    // Two words at least: what is drawn may be no backend but a port.
    const ways = Math.min(Math.max(choicesIn(first.journey.hops), 2), MAX_ALTERNATIVES);
    const journeys = [first.journey];
    for (let word = 1; word < ways; word++) journeys.push(run(word).journey);
    this.forget();
    return merged(journeys);
  }

  /** Forgets all flows: the datapaths are as after their start, on the maps that the control planes wrote. */
  forget(): void {
    this.#packets = 0;
    for (const node of this.#used) node.resetDatapath();
    this.#used.clear();
    this.#masquerade = new Masquerade(this.#topology, this.resolved.config);
  }

  /** As after its construction, what was assumed aside: no flows, random words from the seed on, and no nodes but one that keeps the report. */
  renew(): void {
    this.forget();
    if (this.options.seed !== undefined) this.#random = seededWords(this.options.seed);
    let reporter: TwinNode | undefined;
    for (const [name, node] of this.#nodes) {
      if (reporter === undefined && node.reported !== undefined) reporter = node;
      else this.#nodes.delete(name);
    }
  }

  /**
   * Which backends `ports` client ports reach, each by a fresh flow: `ip:port` or what became of the packet, to how many.
   * @throws LbtwinError as `send`
   */
  spread(spec: SendSpec, ports: Iterable<number>): Map<string, number> {
    const counts = new Map<string, number>();
    let base: ((choices: Choices) => Request) | undefined;
    for (const port of ports) {
      base ??= this.request({ ...spec, from: withPort(spec.from, port) });
      const read = base;
      const choices = new Choices(spec.random ?? [], this.#random);
      const { outcome } = this.exchange((given) => ({ ...read(given), sport: port }), choices, false);
      const label = outcome.backend ?? outcome.dropReason?.name ?? outcome.kind;
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    return counts;
  }

  /** Lets time pass, in whole seconds; the agents collect what has expired. */
  advance(seconds: number): void {
    if (!Number.isInteger(seconds) || seconds < 0) {
      throw new LbtwinError('invalid-duration', `${String(seconds)} is no time to let pass`, {
        allowed: 'whole seconds',
      });
    }
    this.now += seconds;
    for (const node of this.#nodes.values()) node.collectGarbage(this.now);
  }

  /** Adds or replaces objects, on every node. */
  apply(objects: Iterable<RawObject>): void {
    const list = rawObjects(objects);
    for (const object of list) {
      this.#objects.set(keyOf(object), object);
      if (object.kind === 'Pod') this.#gone.delete(`${object.metadata.namespace ?? 'default'}/${object.metadata.name}`);
    }
    this.#changed();
    for (const node of this.#nodes.values()) node.apply(this.#topology, list);
  }

  /** Removes objects, on every node; those that are not there are no error. */
  remove(objects: Iterable<{ readonly kind: string; readonly namespace?: string; readonly name: string }>): void {
    const list = [...objects];
    for (const { kind, namespace, name } of list) {
      this.#objects.delete(`${kind} ${namespace ?? ''}/${name}`);
      if (kind === 'Pod') this.#gone.add(`${namespace ?? 'default'}/${name}`);
    }
    this.#changed();
    for (const node of this.#nodes.values()) node.remove(this.#topology, list);
  }

  #changed(): void {
    const all = [...this.#objects.values()];
    this.#topology = readTopology(all, this.#gone);
    this.#identities.observe(all);
    this.#services = new ServiceAddresses(all);
    this.fabric.update(this.#topology, all, this.#services);
    this.#masquerade.update(this.#topology);
  }
}

/** A party that names no port, with one. */
const withPort = (from: string, port: number): string =>
  /^external:[^[]*:.*:/.test(from) ? `external:[${from.slice('external:'.length)}]:${port}` : `${from}:${port}`;

/** What policy needs to know of the configuration. */
const policyOptions = (config: DatapathConfig): PolicyClusterOptions => ({
  config: policyConfigOf(config),
  datapath: policyDatapathOf(config),
});

const keyOf = (object: RawObject): string =>
  `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;

function checkFamily(from: Party, to: Target): void {
  const { family } = to.address;
  const has =
    from.kind === 'external'
      ? from.address.family === family
      : from.kind === 'pod'
        ? podAddress(from.pod, family) !== undefined
        : from.node.addresses.some((one) => one.family === family);
  if (has) return;
  throw new LbtwinError('family-mismatch', `the sender has no IPv${family} address for ${formatAddress(to.address)}`, {
    path: ['from'],
    allowed: `a sender with an IPv${family} address`,
  });
}

function withConfigMap(config: ConfigInput, objects: readonly RawObject[]): ConfigInput {
  if (config.configMap !== undefined) return config;
  const found = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'cilium-config');
  if (found === undefined) return config;
  const { namespace = 'kube-system', name } = found.metadata;
  return { ...config, configMap: { name: `${namespace}/${name}`, data: (found['data'] ?? {}) as ConfigData } };
}
