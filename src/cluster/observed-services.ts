import type { DatapathConfig } from '../config/datapath-config.ts';
import type { ChangeReport, ControlPlaneInit } from '../k8s/control-plane.ts';
import { controlPlaneInit } from '../k8s/from-config.ts';
import type { Inventory } from '../k8s/inventory.ts';
import { addressKey, type Frontend } from '../k8s/model.ts';
import { type RawObject, rawObjects } from '../k8s/raw.ts';
import type { FlowAnswer } from '../k8s/flow-question.ts';
import { selectFlow, type WholeCluster, wholeCluster } from '../k8s/select-flow.ts';
import { Scope } from '../lb/layout.ts';
import { formatAddress } from '../net/address.ts';
import { formatL4Address, type L4Address } from '../net/endpoint.ts';
import { ServiceFrontends } from './service-frontends.ts';

/** Services by the addresses that flows show: what is a frontend, what a backend of which services, and what a frontend gives a client. */
export class ObservedServices {
  readonly #objects: readonly RawObject[];
  readonly #init: ControlPlaneInit;
  readonly #config: DatapathConfig;
  readonly #named: ServiceFrontends;
  readonly #whole: WholeCluster;
  /** `ip:port/PROTO` to the services that list it as a backend. */
  readonly #backends = new Map<string, Set<string>>();
  readonly #answers = new Map<string, ServiceAnswer>();

  constructor(objects: Iterable<RawObject>, config: DatapathConfig) {
    this.#objects = rawObjects(objects);
    this.#config = config;
    this.#init = controlPlaneInit(config);
    this.#named = new ServiceFrontends(this.#objects);
    this.#whole = wholeCluster(this.#objects, this.#init);
    for (const frontend of this.#whole.controlPlane.frontends) this.#observe(frontend);
  }

  get inventory(): Inventory {
    return this.#whole.inventory;
  }

  /** What the control plane says to the objects. */
  get report(): ChangeReport {
    return this.#whole.report;
  }

  #observe(frontend: Frontend): void {
    for (const { backend, portNames } of frontend.entry.instances) {
      if (frontend.portName !== '' && !portNames.includes(frontend.portName)) continue;
      if (backend.protocol !== frontend.protocol || backend.address.family !== frontend.address.family) continue;
      const key = formatL4Address(backend);
      const names = this.#backends.get(key) ?? new Set();
      this.#backends.set(key, names.add(serviceText(frontend)));
    }
  }

  /** Whether clients may call a service here. */
  isFrontend(at: L4Address): boolean {
    const { address, port, protocol } = at;
    for (const scope of [Scope.EXTERNAL, Scope.INTERNAL]) {
      if (this.#whole.controlPlane.frontend(addressKey(address, port, protocol, scope)) !== undefined) return true;
    }
    // NodePorts and hostPorts are at addresses of nodes.
    const onNode = this.#config.nodePort && this.inventory.nodeOf(address) !== undefined;
    return onNode && this.#named.whatIs(at, true) !== undefined;
  }

  /** What Services name an address that is no frontend of Cilium's, as kube-proxy's are without its replacement. */
  servedByOthers(at: L4Address): string | undefined {
    return this.isFrontend(at) ? undefined : this.#named.whatIs(at, this.inventory.nodeOf(at.address) !== undefined);
  }

  /** Why a frontend that exists is not for this client: it gets no backend, or somebody else decides. */
  barOf({ client, frontend }: ServiceAnswer): { readonly none?: string; readonly others?: string } {
    if (client.kind === 'external' && !this.#config.nodePort) {
      return { others: 'without kube-proxy replacement devices look no services up: kube-proxy decides' };
    }
    if (client.kind === 'external' && frontend?.type === 'ClusterIP' && !this.#config.externalClusterIP) {
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

  /** What a frontend gives a client: on the node that `node` names where no address tells whose maps decide; on all where `node` is none. */
  answer(client: L4Address, to: L4Address, node: string | undefined): ServiceAnswer {
    const answer = this.#onAllNodes(client, to);
    const { views } = answer;
    const here = views.filter(({ nodes }) => node !== undefined && nodes.includes(node));
    return views.length > 1 && here.length > 0 ? { ...answer, views: here } : answer;
  }

  /** Answers are kept: of a client inside, its node is all that counts, of one outside its address, if the service has source ranges. */
  #onAllNodes(client: L4Address, to: L4Address): ServiceAnswer {
    const [host, pod] = [this.inventory.nodeOf(client.address), this.inventory.podOf(client.address)];
    const inside = host !== undefined ? `node ${host}` : pod === undefined ? undefined : `pod on ${pod.node ?? ''}`;
    const key = `${formatL4Address(to)} ${inside ?? ''}`;
    const whose = `${key} ${formatAddress(client.address)}`;
    const known = this.#answers.get(key) ?? this.#answers.get(whose);
    if (known !== undefined) return known;
    const { address, port, protocol } = to;
    const question = {
      client: client.address,
      clientPort: client.port,
      to: { address, port },
      protocol,
      externalIpMitigation: !this.#config.disableExternalIPMitigation,
    };
    const found = selectFlow(this.#objects, this.#init, question, this.#whole);
    // Without the control plane, which is large.
    const answer = { client: found.client, frontend: found.frontend, views: found.views };
    const depends = inside === undefined && (found.serviceRow?.sourceRanges.length ?? 0) > 0;
    this.#answers.set(depends ? whose : key, answer);
    return answer;
  }
}

/** What a frontend gives a client, on the nodes concerned. */
export type ServiceAnswer = Pick<FlowAnswer, 'client' | 'frontend' | 'views'>;

/** `namespace/name:port`, the port by name where it has one. */
export const serviceText = (frontend: Frontend): string =>
  `${frontend.entry.name}:${frontend.portName === '' ? frontend.port : frontend.portName}`;
