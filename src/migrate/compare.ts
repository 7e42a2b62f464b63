import { Cluster, type ClusterOptions, type Journey, type Outcome } from '../cluster/index.ts';
import { LbtwinError } from '../errors.ts';
import type { ServiceObject } from '../k8s/objects/service.ts';
import type { RawObject } from '../k8s/raw.ts';
import { type Family, formatAddress } from '../net/index.ts';
import type { DifferenceCode } from './differences.ts';
import { askKubeProxy, type ProxyAnswer, type ProxyMode } from './kube-proxy.ts';
import { type Question, questionsOf, servicesOf } from './questions.ts';

/** What the twin says, in the terms of the comparison. */
export interface CiliumAnswer {
  readonly outcome: ProxyAnswer['outcome'] | 'socketError' | 'wrongSource' | 'undecided';
  readonly candidates: readonly string[];
  /** Whose addresses the backends see. */
  readonly sources: readonly ('client' | 'node' | 'loopback')[];
  readonly translatedAt: Outcome['translatedAt'];
  /** Drop reason, errno or ICMP message. */
  readonly detail: string | undefined;
}

export interface MigrationRow {
  /** `namespace/name`, with the port's name if it has one. */
  readonly service: string;
  readonly frontend: string;
  readonly to: string;
  readonly policy: string;
  readonly client: string;
  readonly kubeProxy: ProxyAnswer;
  readonly cilium: CiliumAnswer;
  readonly differences: readonly DifferenceCode[];
}

/** Differences that hold for a service as a whole, whoever asks. */
export interface ServiceNote {
  readonly service: string;
  readonly code: string;
  readonly message: string;
}

export interface MigrationReport {
  readonly config: string;
  readonly mode: ProxyMode;
  readonly rows: readonly MigrationRow[];
  readonly notes: readonly ServiceNote[];
  readonly assumptions: readonly string[];
}

/** Client ports that are tried where the backend follows from the flow's hash. */
const PORTS = 16;
const FIRST_PORT = 40000;
/** Flows that follow from their hash draw nothing but, rarely, a SNAT port. */
const NO_DRAWS: readonly number[] = Array.from({ length: 32 }, (_, i) => i);

const hostOf = (endpoint: string): string => endpoint.replace(/:(?:\d+|\*)$/, '').replace(/^\[(.*)\]$/, '$1');

function sourceClass(seen: string, question: Question, loopback: string): 'client' | 'node' | 'loopback' {
  const host = hostOf(seen);
  if (host === formatAddress(question.client.address) && question.client.kind !== 'host') return 'client';
  return host === loopback ? 'loopback' : 'node';
}

const OUTCOMES: Readonly<Record<Outcome['kind'], CiliumAnswer['outcome']>> = {
  delivered: 'reaches',
  replied: 'reaches',
  rejected: 'rejected',
  dropped: 'dropped',
  socketError: 'socketError',
  wrongSource: 'wrongSource',
  passedToHost: 'untranslated',
  looped: 'undecided',
  undecided: 'undecided',
};

/** Asks the twin, over several client ports where those decide. */
function askCilium(cluster: Cluster, question: Question): CiliumAnswer {
  const { client, to } = question;
  const journeys: Journey[] = [];
  const send = (from: string, random?: readonly number[]): Journey =>
    cluster.send({
      from,
      to,
      ...(client.via === undefined ? {} : { via: client.via }),
      ...(random === undefined ? {} : { random }),
    });
  cluster.forget();
  if (client.kind === 'external') {
    const first = send(`${client.from}:${FIRST_PORT}`);
    journeys.push(first);
    const hashed = first.outcome.backend !== undefined && first.alternatives === undefined;
    if (hashed && question.endpoints.length > 1) {
      for (let port = 1; port < PORTS; port++) {
        // Affinity would keep the client with its first backend.
        if (question.service.affinityTimeout > 0) cluster.forget();
        journeys.push(send(`${client.from}:${FIRST_PORT + port}`, NO_DRAWS));
      }
    }
  } else journeys.push(send(client.from));
  const outcomes = journeys.flatMap(({ outcome, alternatives }) => alternatives ?? [outcome]);
  const first = outcomes[0]!;
  const kinds = new Set(outcomes.map(({ kind }) => OUTCOMES[kind]));
  const loopback = cluster.resolved.config.loopbackIPv4;
  const { dropReason, errno, icmp, reason } = first;
  return {
    outcome: kinds.size === 1 ? [...kinds][0]! : 'undecided',
    candidates: [...new Set(outcomes.flatMap(({ backend }) => backend ?? []))].sort(),
    sources: [
      ...new Set(
        outcomes.flatMap(({ sourceSeen }) =>
          sourceSeen === undefined ? [] : [sourceClass(sourceSeen, question, loopback)],
        ),
      ),
    ].sort(),
    translatedAt: first.translatedAt,
    detail: dropReason?.name ?? errno ?? icmp ?? reason,
  };
}

const fails = (outcome: string): boolean =>
  outcome === 'rejected' || outcome === 'dropped' || outcome === 'socketError';

function failureCode(question: Question, proxy: ProxyAnswer, cilium: CiliumAnswer): DifferenceCode | undefined {
  const { frontend, client, service } = question;
  if (cilium.outcome === 'undecided') return 'undecided';
  if (cilium.outcome === 'wrongSource') return 'wrong-source';
  if (cilium.detail === 'IS_CLUSTER_IP') return 'cluster-ip-from-outside';
  if (proxy.outcome === 'reaches') {
    if (cilium.outcome === 'reaches') return undefined;
    if (frontend.kind === 'ExternalIP' && client.kind !== 'external') return 'external-ip-mitigation';
    return 'no-longer-reaches';
  }
  if (cilium.outcome === 'reaches') {
    if (frontend.kind === 'NodePort on loopback') return 'loopback-node-port';
    if (service.sourceRanges.length > 0 && client.kind !== 'external') return 'source-ranges-inside';
    return 'reaches-now';
  }
  if (!fails(proxy.outcome) || !fails(cilium.outcome)) return undefined;
  if (cilium.outcome === 'socketError') return 'fails-at-connect';
  if (proxy.outcome === cilium.outcome) return undefined;
  return cilium.outcome === 'rejected' ? 'rejects-instead-of-drops' : 'drops-instead-of-rejects';
}

function compare(question: Question, proxy: ProxyAnswer, cilium: CiliumAnswer, hashed: boolean): DifferenceCode[] {
  const failure = failureCode(question, proxy, cilium);
  if (failure !== undefined) return [failure];
  const inside = question.client.kind !== 'external';
  if (question.frontend.kind === 'ExternalIP' && inside && cilium.translatedAt === 'packet')
    return ['external-ip-mitigation'];
  if (proxy.outcome !== 'reaches' || cilium.outcome !== 'reaches') return [];
  const found: DifferenceCode[] = [];
  const [theirs, ours] = [new Set(proxy.candidates), cilium.candidates];
  const same = ours.every((backend) => theirs.has(backend)) && (hashed || ours.length === theirs.size);
  if (!same) found.push('other-backends');
  // A host's own address is its node's: there is nothing to hide or to keep.
  if (question.client.kind === 'host') return found;
  if (cilium.sources.includes('loopback')) found.push('hairpin-source');
  if (proxy.source === 'node' && cilium.sources.includes('client')) {
    const itself =
      question.client.kind === 'pod' &&
      ours.some((backend) => hostOf(backend) === formatAddress(question.client.address));
    if (!itself || ours.length > 1) found.push('source-kept');
  }
  if (proxy.source === 'client' && cilium.sources.includes('node')) found.push('source-hidden');
  return found;
}

function notesOf(
  services: readonly ServiceObject[],
  mode: ProxyMode,
  cluster: Cluster,
  serves: (family: Family) => boolean,
): ServiceNote[] {
  const notes: ServiceNote[] = [];
  for (const service of services) {
    const name = `${service.namespace}/${service.name}`;
    const note = (code: string, message: string): void => void notes.push({ service: name, code, message });
    if (service.affinityTimeout > 0) {
      note(
        'session-affinity',
        cluster.resolved.config.socketLBCoverage === 'none'
          ? 'session affinity knows clients by their address in both'
          : 'session affinity of pods and hosts goes by their network namespace, not by their address: all processes of a pod are one client, and so is a node',
      );
    }
    for (const family of new Set(service.clusterIps.map((address) => address.family))) {
      if (serves(family)) continue;
      const option = `ipv${family}.enabled`;
      note(
        'family-off',
        `its IPv${family} addresses are not served: IPv${family} is off in this configuration (${option})`,
      );
    }
    if (service.loadBalancerClass !== undefined && service.type === 'LoadBalancer') {
      note('load-balancer-class', 'loadBalancerClass has no effect on what the agent serves');
    }
    if (mode === 'ipvs') {
      note(
        'ipvs-host-services',
        'ipvs mode puts service addresses on a device of each node: other ports of a ClusterIP reached host processes, which Cilium does not do',
      );
    }
  }
  return notes;
}

/**
 * Compares, for every service of a cluster, what kube-proxy answers with what the twin answers, per kind of client, frontend and policy.
 * @throws LbtwinError `kube-proxy-stays`, and those of `Cluster.fromKubernetes`
 */
export function compareWithKubeProxy(
  objects: readonly RawObject[],
  options: ClusterOptions & { readonly mode?: ProxyMode; readonly service?: string } = {},
): MigrationReport {
  const { mode = 'iptables', service, ...rest } = options;
  const cluster = Cluster.fromKubernetes(objects, rest);
  const { config } = cluster.resolved;
  if (!config.nodePort) {
    throw new LbtwinError('kube-proxy-stays', 'this configuration does not replace kube-proxy', {
      allowed: 'kubeProxyReplacement=true',
    });
  }
  const serves = (family: Family): boolean => (family === 4 ? config.ipv4 : config.ipv6);
  const questions = questionsOf(objects, cluster.topology, serves, service);
  const rows = questions.map((question): MigrationRow => {
    const { client, node, frontend, endpoints } = question;
    const zone = node.labels['topology.kubernetes.io/zone'] ?? '';
    const kubeProxy = askKubeProxy({
      mode,
      service: question.service,
      endpoints,
      frontend,
      client,
      node: node.name,
      zone,
    });
    const cilium = askCilium(cluster, question);
    const hashed = client.kind === 'external' && cluster.resolved.config.algorithm === 'maglev';
    const port = question.port.name === '' ? '' : `:${question.port.name}`;
    const policy =
      frontend.kind === 'ClusterIP' ? question.service.internalTrafficPolicy : question.service.externalTrafficPolicy;
    return {
      service: `${question.service.namespace}/${question.service.name}${port}`,
      frontend: frontend.kind,
      to: question.to,
      policy,
      client: client.label,
      kubeProxy,
      cilium,
      differences: compare(question, kubeProxy, cilium, hashed),
    };
  });
  return {
    config: cluster.resolved.origin,
    mode,
    rows,
    notes: notesOf(servicesOf(objects, service), mode, cluster, serves),
    assumptions: cluster.assumptions,
  };
}
