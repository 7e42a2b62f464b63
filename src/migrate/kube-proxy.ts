import type { ServiceObject } from '../k8s/objects/service.ts';
import { BackendState } from '../lb/layout.ts';
import { cidrContains, formatAddress, type IpAddress } from '../net/index.ts';

/** What kube-proxy works with. */
export type ProxyMode = 'iptables' | 'ipvs';

/** An endpoint as a node's kube-proxy sees it. */
export interface ProxyEndpoint {
  /** `ip:port`; IPv6 addresses in brackets. */
  readonly text: string;
  readonly address: IpAddress;
  readonly node: string;
  /** `BackendState`: active, or terminating but serving. */
  readonly state: number;
  readonly forZones: readonly string[];
}

export type FrontendKind = 'ClusterIP' | 'NodePort' | 'NodePort on loopback' | 'LoadBalancer' | 'ExternalIP';

export interface ProxyQuestion {
  readonly mode: ProxyMode;
  readonly service: ServiceObject;
  readonly endpoints: readonly ProxyEndpoint[];
  readonly frontend: { readonly kind: FrontendKind; readonly address: IpAddress };
  readonly client: {
    readonly kind: 'pod' | 'host' | 'external';
    readonly address: IpAddress;
    /** Where it runs; of an external client, nothing. */
    readonly node: string | undefined;
  };
  /** The node whose rules the packet meets, and its zone. */
  readonly node: string;
  readonly zone: string;
}

/** What a client gets from kube-proxy (docs/migrate.md). */
export interface ProxyAnswer {
  /** `rejected`: an ICMP error, at once; `dropped`: silence; `untranslated`: as if there were no service. */
  readonly outcome: 'reaches' | 'rejected' | 'dropped' | 'untranslated';
  /** `ip:port` of all that may be picked. */
  readonly candidates: readonly string[];
  /** Whose address the backend sees. */
  readonly source: 'client' | 'node' | undefined;
  /** The rule behind it. */
  readonly why: string;
}

const nothing = (outcome: ProxyAnswer['outcome'], why: string): ProxyAnswer => ({
  outcome,
  candidates: [],
  source: undefined,
  why,
});

/** Ready endpoints; terminating ones that still serve only where none is ready. */
function usable(endpoints: readonly ProxyEndpoint[]): readonly ProxyEndpoint[] {
  const active = endpoints.filter(({ state }) => state === BackendState.ACTIVE);
  return active.length > 0 ? active : endpoints.filter(({ state }) => state === BackendState.TERMINATING);
}

/** Endpoints for the node's zone, if every endpoint has hints and one is for it. */
function hinted(endpoints: readonly ProxyEndpoint[], zone: string): readonly ProxyEndpoint[] {
  if (zone === '' || endpoints.some(({ forZones }) => forZones.length === 0)) return endpoints;
  const own = endpoints.filter(({ forZones }) => forZones.includes(zone));
  return own.length > 0 ? own : endpoints;
}

function reach(question: ProxyQuestion, local: boolean, masquerades: boolean, why: string): ProxyAnswer {
  const { endpoints, node, zone, mode } = question;
  const family = endpoints.filter(({ address }) => address.family === question.frontend.address.family);
  const all = usable(family);
  if (all.length === 0)
    return nothing('rejected', 'a service without endpoints is rejected with ICMP port unreachable');
  const picked = local ? usable(family.filter((endpoint) => endpoint.node === node)) : hinted(all, zone);
  if (picked.length === 0) {
    return mode === 'ipvs'
      ? nothing('rejected', 'a virtual server without real servers answers with ICMP port unreachable')
      : nothing('dropped', 'a node without local endpoints drops what the Local policy sends it');
  }
  return {
    outcome: 'reaches',
    candidates: picked.map(({ text }) => text),
    source: masquerades ? 'node' : 'client',
    why,
  };
}

/** Traffic to a frontend that is for the outside: NodePort, load balancer address, external IP. */
function outside(question: ProxyQuestion): ProxyAnswer {
  const { service, client, frontend, node } = question;
  const local = service.externalTrafficPolicy === 'Local';
  const kind = frontend.kind === 'LoadBalancer' ? 'load balancer address' : frontend.kind;
  if (frontend.kind === 'LoadBalancer' && service.sourceRanges.length > 0) {
    const inside = service.sourceRanges.some((range) => cidrContains(range, client.address));
    if (!inside)
      return nothing('dropped', 'loadBalancerSourceRanges is a firewall for every client, pods and hosts included');
  }
  const here = client.kind !== 'external' && client.node === node;
  if (!local) return reach(question, false, true, `${kind} traffic is masqueraded under the Cluster policy`);
  if (here && client.kind === 'pod') {
    return reach(
      question,
      false,
      false,
      `pods of the cluster get all endpoints of a ${kind}, whatever the Local policy says`,
    );
  }
  if (here) return reach(question, false, true, `the node itself gets all endpoints of a ${kind}, masqueraded`);
  return reach(question, true, false, 'the Local policy keeps the client address and uses endpoints of the node');
}

/** What kube-proxy does with the first packet of a client. */
export function askKubeProxy(question: ProxyQuestion): ProxyAnswer {
  const { mode, service, client, frontend } = question;
  switch (frontend.kind) {
    case 'ClusterIP': {
      const local = service.internalTrafficPolicy === 'Local';
      const masquerades = client.kind !== 'pod';
      const why =
        client.kind === 'external'
          ? 'whoever routes a ClusterIP to a node is served, masqueraded'
          : masquerades
            ? 'traffic of the node has its address'
            : 'pods keep their address';
      return reach(question, local, masquerades, why);
    }
    case 'NodePort on loopback':
      if (mode === 'ipvs') return nothing('untranslated', 'ipvs mode serves no NodePort on loopback addresses');
      if (frontend.address.family === 6)
        return nothing('untranslated', 'iptables mode serves NodePorts on 127.0.0.1, not on ::1');
      return reach(question, false, true, 'NodePorts are served on 127.0.0.1 (--iptables-localhost-nodeports)');
    case 'LoadBalancer': {
      const ingress = service.ingress.find(({ address }) => formatAddress(address) === formatAddress(frontend.address));
      if (ingress?.ipMode === 'Proxy') {
        return nothing('untranslated', 'ipMode Proxy: traffic goes to the load balancer itself');
      }
      return outside(question);
    }
    case 'NodePort':
    case 'ExternalIP':
      return outside(question);
  }
}
