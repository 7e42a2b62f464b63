import { LbtwinError } from '../errors.ts';
import { Scope } from '../lb/layout.ts';
import { explainSelection, type RandomU32, selectBackends } from '../lb/select.ts';
import {
  BACKEND_STATES,
  type BackendSpec,
  defineService,
  type SelectionAlgorithm,
  type Service,
} from '../lb/service.ts';
import { tupleColumns } from '../lb/tuple.ts';
import { formatAddress, type IpAddress, sameAddress } from '../net/address.ts';
import { cidrContains } from '../net/cidr.ts';
import type { L4Address } from '../net/endpoint.ts';
import { Protocol, protocolName } from '../net/protocol.ts';
import { ControlPlane, type ControlPlaneInit } from './control-plane.ts';
import { proxyPortOf, usesMaglev, writesSourceRanges } from './flags.ts';
import { type FlowAnswer, type FlowClient, type FlowQuestion, type FlowView, SPREAD_PORTS } from './flow-question.ts';
import { Inventory } from './inventory.ts';
import { addressKey, type Frontend, type Service as ServiceRow } from './model.ts';
import { type RawObject, rawObjects } from './raw.ts';
import { rowOf } from './redirect-plan.ts';
import { isLocalOnly } from './select.ts';
import { unspecified } from './services.ts';

/**
 * Answers a question from a cluster's objects: the frontend that the destination is, its backends on the nodes concerned and the pick.
 * @throws LbtwinError `unknown-node`, `family-mismatch`
 */
export function selectFlow(
  objects: readonly RawObject[],
  init: ControlPlaneInit,
  question: FlowQuestion,
  whole?: WholeCluster,
): FlowAnswer {
  return new FlowSelector(rawObjects(objects), init, question, whole).answer();
}

/** What questions to one cluster have in common where no address tells the node; `selectFlow` takes it in place of making it anew. */
export type WholeCluster = Pick<FlowAnswer, 'inventory' | 'controlPlane' | 'report'>;

/** @param objects,init those of the questions */
export function wholeCluster(objects: readonly RawObject[], init: ControlPlaneInit): WholeCluster {
  const controlPlane = new ControlPlane({ ...init, nodeName: '' });
  const report = controlPlane.apply(objects.map(everywhere));
  return { inventory: new Inventory(objects), controlPlane, report };
}

class FlowSelector {
  private readonly objects: readonly RawObject[];
  private readonly init: ControlPlaneInit;
  private readonly question: FlowQuestion;
  private readonly inventory: Inventory;
  private readonly client: FlowClient;
  private readonly node: string | undefined;
  private readonly whole: WholeCluster | undefined;

  constructor(
    objects: readonly RawObject[],
    init: ControlPlaneInit,
    question: FlowQuestion,
    whole: WholeCluster | undefined,
  ) {
    const { client, to } = question;
    if (client.family !== to.address.family) {
      throw new LbtwinError(
        'family-mismatch',
        `${formatAddress(client)} and ${formatAddress(to.address)} cannot talk`,
        {
          allowed: 'two addresses of one family',
        },
      );
    }
    this.objects = objects;
    this.init = init;
    this.question = question;
    this.whole = whole;
    this.inventory = whole?.inventory ?? new Inventory(objects);
    this.client = this.classify(client);
    const entry = this.client.kind === 'external' ? this.inventory.nodeOf(to.address) : this.client.node;
    if (question.node !== undefined && entry !== undefined && question.node !== entry) {
      const why = this.client.kind === 'external' ? formatAddress(to.address) : formatAddress(client);
      throw new LbtwinError('node-mismatch', `${why} is an address of ${entry}`, {
        allowed: `--node ${entry}, or none`,
      });
    }
    this.node = question.node ?? entry;
    if (this.node !== undefined && this.inventory.nodes.size > 0 && !this.inventory.nodes.has(this.node)) {
      throw new LbtwinError('unknown-node', `there is no node ${JSON.stringify(this.node)}`, {
        allowed: [...this.inventory.nodes.keys()].sort().join(', '),
      });
    }
  }

  answer(): FlowAnswer {
    const { controlPlane, report } = this.run();
    const [to, frontend] = this.find(controlPlane);
    const serviceRow = frontend?.entry.service;
    const { inventory, client } = this;
    const knowsEndpoints = this.objects.some(({ kind }) => kind === 'EndpointSlice');
    if (frontend === undefined || serviceRow === undefined) {
      const views: FlowView[] = [];
      return {
        client,
        to,
        frontend,
        serviceRow,
        algorithmFrom: 'configuration',
        localOnly: false,
        views,
        inventory,
        controlPlane,
        report,
        knowsEndpoints,
      };
    }
    const [algorithm, algorithmFrom] = this.algorithm(frontend, serviceRow, to, controlPlane);
    const localOnly = isLocalOnly(frontend, serviceRow);
    const views =
      this.node === undefined && this.differsByNode(frontend, serviceRow, localOnly)
        ? this.viewsByNode(frontend, to, algorithm)
        : [this.view(this.node === undefined ? [] : [this.node], controlPlane, frontend, to, algorithm)];
    return {
      client,
      to,
      frontend,
      serviceRow,
      algorithmFrom,
      localOnly,
      views,
      inventory,
      controlPlane,
      report,
      knowsEndpoints,
    };
  }

  private run(): Pick<WholeCluster, 'controlPlane' | 'report'> {
    if (this.node === undefined) return this.whole ?? wholeCluster(this.objects, this.init);
    const controlPlane = new ControlPlane({ ...this.init, nodeName: this.node });
    return { controlPlane, report: controlPlane.apply(this.objects) };
  }

  private classify(address: IpAddress): FlowClient {
    const node = this.inventory.nodeOf(address);
    if (node !== undefined) return { kind: 'node', name: node, node };
    const pod = this.inventory.podOf(address);
    if (pod !== undefined) return { kind: 'pod', name: pod.name, node: pod.node };
    return { kind: 'external', name: undefined, node: undefined };
  }

  private plane(nodeName: string, objects: Iterable<RawObject>): ControlPlane {
    const controlPlane = new ControlPlane({ ...this.init, nodeName });
    controlPlane.apply(objects);
    return controlPlane;
  }

  /** The frontend as the datapath looks it up: external scope first, then the internal one for clients inside. */
  private find(plane: ControlPlane): [L4Address, Frontend | undefined] {
    const { address, port } = this.question.to;
    const asked = this.question.protocol;
    const protocols = asked === undefined ? [Protocol.TCP, Protocol.UDP, Protocol.SCTP] : [asked];
    // The wildcard frontends stand for the addresses of nodes: at sockets for all of them, at devices for those that serve NodePorts.
    const isNode =
      this.inventory.nodeOf(address) !== undefined &&
      (this.client.kind !== 'external' || plane.nodePortAddresses.some((one) => sameAddress(one, address)));
    for (const protocol of protocols) {
      for (const at of isNode ? [address, unspecified(address.family)] : [address]) {
        const outside = plane.frontend(addressKey(at, port, protocol, Scope.EXTERNAL));
        const inside = plane.frontend(addressKey(at, port, protocol, Scope.INTERNAL));
        const found = this.client.kind === 'external' ? outside : (inside ?? outside);
        if (found !== undefined) return [{ address, port, protocol }, found];
      }
    }
    return [{ address, port, protocol: asked ?? Protocol.TCP }, undefined];
  }

  private algorithm(
    frontend: Frontend,
    row: ServiceRow,
    to: L4Address,
    { options }: ControlPlane,
  ): [SelectionAlgorithm, FlowAnswer['algorithmFrom']] {
    if (this.question.algorithm !== undefined) return [this.question.algorithm, 'asked'];
    const hidden = frontend.type === 'ClusterIP' && !options.externalClusterIp;
    if (this.client.kind !== 'external' || hidden) return ['random', 'inside'];
    const at = { ...to, key: frontend.key, scope: frontend.scope };
    const maglev = usesMaglev(frontend, row, at, options);
    if (options.algorithmAnnotation && row.marks.algorithm !== undefined)
      return [maglev ? 'maglev' : 'random', 'annotation'];
    if (!maglev && options.algorithm === 'maglev') return ['random', 'frontend-type'];
    return [maglev ? 'maglev' : 'random', 'configuration'];
  }

  private differsByNode(frontend: Frontend, row: ServiceRow, localOnly: boolean): boolean {
    const redirected = frontend.redirectTo !== undefined || frontend.type === 'LocalRedirect';
    const chosen = redirected || this.hasEnvoyNodeSelector();
    return chosen || localOnly || row.marks.preferClose || this.namesNodes(row.name);
  }

  /** Whether annotations restrict a Service to some nodes. They are not in its row: that was made without them. */
  private namesNodes(service: string): boolean {
    return this.objects.some(
      (object) => object.kind === 'Service' && belongsTo(object, service) && everywhere(object) !== object,
    );
  }

  /** Whether some Envoy configuration is for some nodes only. */
  private hasEnvoyNodeSelector(): boolean {
    return (
      this.init.envoyConfig === true &&
      this.objects.some(
        (object) => ENVOY_KINDS.has(object.kind) && (object['spec'] as { nodeSelector?: unknown } | null)?.nodeSelector,
      )
    );
  }

  /** Each node's answer, nodes with equal ones together. */
  private viewsByNode(frontend: Frontend, to: L4Address, algorithm: SelectionAlgorithm): FlowView[] {
    const service = frontend.entry.name;
    const redirected = frontend.redirectTo !== undefined || frontend.type === 'LocalRedirect';
    const concerned = this.objects.filter(
      (object) =>
        belongsTo(object, service) ||
        ENVOY_KINDS.has(object.kind) ||
        (redirected && (object.kind === 'Pod' || object.kind === 'CiliumLocalRedirectPolicy')),
    );
    const names = new Set(this.inventory.nodes.keys());
    for (const { nodeName } of frontend.entry.instances) if (nodeName !== '') names.add(nodeName);
    const groups = new Map<string, { nodes: string[]; view: FlowView }>();
    for (const name of [...names].sort()) {
      const nodeObjects = this.objects.filter(
        (object) => (object.kind === 'Node' || object.kind === 'CiliumNode') && object.metadata.name === name,
      );
      const plane = this.plane(name, [...nodeObjects, ...concerned]);
      const here = plane.frontend(frontend.key);
      const view =
        here === undefined
          ? { ...EMPTY_VIEW, nodes: [name], outcome: 'not-exposed' as const }
          : this.view([name], plane, here, to, algorithm);
      const key = `${view.outcome} ${view.error ?? ''} ${view.service?.backends.map((one) => `${one.address}:${one.port}`).join() ?? ''}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { nodes: [name], view });
      else group.nodes.push(name);
    }
    if (groups.size === 0) return [this.view([], this.plane('', concerned), frontend, to, algorithm)];
    const everyNode = groups.size === 1;
    return [...groups.values()].map(({ nodes, view }) => ({ ...view, nodes: everyNode ? [] : nodes }));
  }

  private view(
    nodes: readonly string[],
    plane: ControlPlane,
    frontend: Frontend,
    to: L4Address,
    algorithm: SelectionAlgorithm,
  ): FlowView {
    const { options } = plane;
    const row = rowOf(frontend, options)!;
    const proxyPort = proxyPortOf(frontend, options);
    if (this.isLeftAlone(frontend, row)) return { ...EMPTY_VIEW, nodes, outcome: 'untranslated' };
    if (this.isRefused(frontend, row, plane)) return { ...EMPTY_VIEW, nodes, outcome: 'source-range' };
    const service = defineService(
      {
        frontend: to,
        type: frontend.type,
        algorithm,
        sessionAffinity: row.affinity !== undefined,
        backends: frontend.backends.map((instance): BackendSpec => {
          const { address, port, protocol } = instance.backend;
          const name = this.inventory.podOf(address)?.name;
          return {
            address,
            port,
            protocol: protocolName(protocol),
            weight: instance.weight,
            state: BACKEND_STATES[instance.state]!,
            healthy: !instance.unhealthy,
            ...(name === undefined ? {} : { name }),
          };
        }),
      },
      { maglev: { tableSize: options.maglevTableSize, hashSeed: options.maglevHashSeed } },
    );
    const view = { ...EMPTY_VIEW, nodes, service, proxyPort };
    if (frontend.status === 'Error') return { ...view, outcome: 'not-written', error: frontend.error };
    if (proxyPort !== 0) return { ...view, outcome: 'proxy' };
    if (service.count === 0) return { ...view, outcome: 'no-backend' };
    return this.pick(view, service, to);
  }

  /**
   * External IPs and hostPorts are translated at a socket only if the address is the client's own host's; external IPs with exactly one
   * Local policy never, since they lack the entry for clients inside.
   */
  private isLeftAlone(frontend: Frontend, row: ServiceRow): boolean {
    if (this.client.kind === 'external') return false;
    if (frontend.type === 'ExternalIPs' && row.extPolicy !== row.intPolicy) return true;
    const { externalIpMitigation = true } = this.question;
    const guarded = (frontend.type === 'ExternalIPs' && externalIpMitigation) || frontend.type === 'HostPort';
    return guarded && this.inventory.nodeOf(this.question.to.address) !== this.client.node;
  }

  private isRefused(frontend: Frontend, row: ServiceRow, { options }: ControlPlane): boolean {
    if (this.client.kind !== 'external' || !writesSourceRanges(frontend, row, options)) return false;
    const inside = row.sourceRanges.some((cidr) => cidrContains(cidr, this.question.client));
    return inside === row.marks.denyRanges;
  }

  private pick(view: FlowView, service: Service, to: L4Address): FlowView {
    const { client, clientPort, random } = this.question;
    const word: RandomU32 | undefined = random === undefined ? undefined : () => random;
    const flow = { protocol: to.protocol, saddr: client.words, sport: clientPort ?? SPREAD_PORTS.min };
    const tuple = { ...flow, saddr: client.family === 4 ? client.words[0]! : client.words };
    const explanation = explainSelection(service, tuple, word);
    if (explanation.backend !== undefined && clientPort !== undefined)
      return { ...view, outcome: 'backend', explanation };
    if (service.algorithm === 'random') {
      const outcome = explanation.backend === undefined ? 'candidates' : 'backend';
      return { ...view, outcome, explanation };
    }
    return { ...view, outcome: 'spread', explanation, spread: this.spread(service, to) };
  }

  private spread(service: Service, to: L4Address): number[] {
    const { client } = this.question;
    const length = SPREAD_PORTS.max - SPREAD_PORTS.min + 1;
    const columns = tupleColumns(client.family, length);
    for (let i = 0; i < length; i++) {
      columns.saddr.set(client.words, i * client.words.length);
      columns.daddr.set(to.address.words, i * client.words.length);
      columns.sport[i] = SPREAD_PORTS.min + i;
      columns.dport[i] = to.port;
      columns.protocol[i] = to.protocol;
    }
    const out = new Uint32Array(length);
    selectBackends(service, columns, out);
    const counts = new Map<number, number>();
    for (const id of out) counts.set(id, (counts.get(id) ?? 0) + 1);
    return service.backends.map(({ id }) => counts.get(id) ?? 0);
  }
}

const EMPTY_VIEW: FlowView = {
  nodes: [],
  outcome: 'no-backend',
  service: undefined,
  explanation: undefined,
  spread: undefined,
  proxyPort: 0,
};

const isNodeAnnotation = (name: string): boolean =>
  name === 'service.cilium.io/node' || name === 'service.cilium.io/node-selector';

/** A Service without what restricts it to some nodes. */
function everywhere(object: RawObject): RawObject {
  const annotations = object.kind === 'Service' ? object.metadata['annotations'] : undefined;
  if (typeof annotations !== 'object' || annotations === null || !Object.keys(annotations).some(isNodeAnnotation)) {
    return object;
  }
  const rest = Object.entries(annotations).filter(([name]) => !isNodeAnnotation(name));
  return { ...object, metadata: { ...object.metadata, annotations: Object.fromEntries(rest) } };
}

const ENVOY_KINDS: ReadonlySet<string> = new Set(['CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig']);

/** Whether it is the Service of that name or one of its slices. */
function belongsTo(object: RawObject, service: string): boolean {
  const { namespace = 'default', name, labels } = object.metadata;
  if (object.kind === 'Service') return `${namespace}/${name}` === service;
  if (object.kind !== 'EndpointSlice' || typeof labels !== 'object' || labels === null) return false;
  return `${namespace}/${(labels as Record<string, unknown>)['kubernetes.io/service-name']}` === service;
}
