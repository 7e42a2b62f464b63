import type { DatapathConfig } from '../config/datapath-config.ts';
import { ControlPlane, type ControlPlaneInit } from '../k8s/control-plane.ts';
import { controlPlaneInit } from '../k8s/from-config.ts';
import { Inventory } from '../k8s/inventory.ts';
import { addressKey, type Frontend } from '../k8s/model.ts';
import { isRecord, listOf, recordOf } from './raw-fields.ts';
import { type RawObject, rawObjects } from '../k8s/raw.ts';
import { everywhere, type FlowAnswer, selectFlow } from '../k8s/select-flow.ts';
import { Scope } from '../lb/layout.ts';
import { formatAddress, isUnspecified } from '../net/address.ts';
import { formatL4Address, type L4Address } from '../net/endpoint.ts';
import { ServiceFrontends } from './service-frontends.ts';
import type { ChangeReport } from '../k8s/control-plane.ts';

/** Services by the addresses that flows show: what is a frontend, what a backend of which services, and what a frontend gives a client. */
export class ObservedServices {
  readonly inventory: Inventory;
  readonly report: ChangeReport;
  readonly #objects: readonly RawObject[];
  readonly #init: ControlPlaneInit;
  readonly #config: DatapathConfig;
  readonly #named: ServiceFrontends;
  readonly #index: ControlPlane;
  /** `ip:port/PROTO` to the services that list it as a backend. */
  readonly #backends = new Map<string, Set<string>>();
  /** Ports at addresses of nodes: NodePorts and hostPorts. */
  readonly #nodePorts = new Set<unknown>();
  readonly #answers = new Map<string, FlowAnswer>();

  constructor(objects: Iterable<RawObject>, config: DatapathConfig) {
    this.#objects = rawObjects(objects);
    this.#config = config;
    this.#init = controlPlaneInit(config);
    this.#named = new ServiceFrontends(this.#objects);
    this.inventory = new Inventory(this.#objects);
    this.#index = new ControlPlane({ ...this.#init, nodeName: '' });
    this.report = this.#index.apply(this.#objects.map(everywhere));
    for (const frontend of this.#index.frontends) this.#observe(frontend);
    for (const object of this.#objects) if (object.kind === 'Pod') this.#observePod(object);
  }

  #observe(frontend: Frontend): void {
    if (isUnspecified(frontend.address)) this.#nodePorts.add(frontend.port);
    for (const { backend, portNames } of frontend.entry.instances) {
      if (frontend.portName !== '' && !portNames.includes(frontend.portName)) continue;
      if (backend.protocol !== frontend.protocol || backend.address.family !== frontend.address.family) continue;
      const key = formatL4Address(backend);
      const names = this.#backends.get(key) ?? new Set();
      this.#backends.set(key, names.add(serviceText(frontend)));
    }
  }

  #observePod(object: RawObject): void {
    const spec = recordOf(object, 'spec');
    for (const container of [...listOf(spec, 'containers'), ...listOf(spec, 'initContainers')]) {
      for (const port of isRecord(container) ? listOf(container, 'ports') : []) {
        if (isRecord(port) && port['hostPort'] !== undefined) this.#nodePorts.add(port['hostPort']);
      }
    }
  }

  /** Whether clients may call a service here. */
  isFrontend({ address, port, protocol }: L4Address): boolean {
    for (const scope of [Scope.EXTERNAL, Scope.INTERNAL]) {
      if (this.#index.frontend(addressKey(address, port, protocol, scope)) !== undefined) return true;
    }
    return this.#nodePorts.has(port) && this.inventory.nodeOf(address) !== undefined;
  }

  /** What Services name an address that is no frontend of Cilium's, as kube-proxy's are without its replacement. */
  servedByOthers(at: L4Address): string | undefined {
    return this.isFrontend(at) ? undefined : this.#named.whatIs(at, this.inventory.nodeOf(at.address) !== undefined);
  }

  /** Why a frontend that exists is not for this client: it gets no backend, or somebody else decides. */
  barOf({ client, frontend, controlPlane }: FlowAnswer): { readonly none?: string; readonly others?: string } {
    if (client.kind === 'external' && !this.#config.nodePort) {
      return { others: 'without kube-proxy replacement devices look no services up: kube-proxy decides' };
    }
    if (client.kind === 'external' && frontend?.type === 'ClusterIP' && !controlPlane.options.externalClusterIp) {
      return { none: 'a cluster IP is not reachable from outside the cluster' };
    }
    if (client.kind === 'node' && !this.#config.socketLB) {
      return { others: 'sockets of the host are not translated in this configuration: kube-proxy decides' };
    }
    return {};
  }

  /** `namespace/name:port` of the services that list a backend, whatever its state. */
  servicesOf(backend: L4Address): readonly string[] {
    return [...(this.#backends.get(formatL4Address(backend)) ?? [])].sort();
  }

  /**
   * What a frontend gives a client: of the node that `node` names where no address tells whose maps decide.
   * Answers are kept where the client's address has no part in them.
   */
  answer(client: L4Address, to: L4Address, node: string | undefined): FlowAnswer {
    const { inventory } = this;
    const inside = inventory.nodeOf(client.address) !== undefined || inventory.podOf(client.address) !== undefined;
    const told = inside || inventory.nodeOf(to.address) !== undefined;
    const asked = told || node === undefined || !inventory.nodes.has(node) ? undefined : node;
    const key = `${formatL4Address(to)} ${asked ?? ''}`;
    const whose = `${key} ${formatAddress(client.address)}`;
    const known = this.#answers.get(inside ? whose : key) ?? this.#answers.get(whose);
    if (known !== undefined) return known;
    const { address, port, protocol } = to;
    const answer = selectFlow(this.#objects, this.#init, {
      client: client.address,
      clientPort: client.port,
      to: { address, port },
      protocol,
      node: asked,
      externalIpMitigation: !this.#config.disableExternalIPMitigation,
    });
    const depends = inside || (answer.serviceRow?.sourceRanges.length ?? 0) > 0;
    this.#answers.set(depends ? whose : key, answer);
    return answer;
  }
}

/** `namespace/name:port`, the port by name where it has one. */
export const serviceText = (frontend: Frontend): string =>
  `${frontend.entry.name}:${frontend.portName === '' ? frontend.port : frontend.portName}`;
