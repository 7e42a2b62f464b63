import type { Journey } from '../cluster/journey.ts';
import type { ServiceFacts } from '../cluster/facts.ts';

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

/** Why it came as it did: the rule behind the outcome and the object that it is from. Only what happened. */
export function explainOutcome(journey: Journey): string[] {
  const { outcome, service } = journey;
  const lines: string[] = [];
  if (service !== undefined) lines.push(...aboutService(service));
  if (service?.error !== undefined) {
    lines.push(
      `the agent does not write the frontend as it is now (${service.error}): its maps are those of an earlier update`,
    );
  }
  if (outcome.reason !== undefined) lines.push(outcome.reason);
  const drop = outcome.dropReason;
  if (drop !== undefined) lines.push(...aboutDrop(drop.name, service));
  if (outcome.kind === 'rejected' && service !== undefined && service.usable === 0) {
    lines.push('service-no-backend-response=reject, the default: an ICMP error goes back instead of nothing');
  }
  lines.push(...aboutSource(journey));
  return lines;
}

function aboutService(facts: ServiceFacts): string[] {
  const { service, type, frontend, usable, backends, inCluster, node } = facts;
  const of = `${frontend} is ${article(type)} ${type} frontend of Service ${service}`;
  const policy = policyOf(facts);
  if (policy !== 'Local') return [`${of}: ${plural(usable, 'backend')} may be picked${restOf(usable, backends)}`];
  const which = `${facts.scope === 'internal' || type === 'ClusterIP' ? 'internal' : 'external'}TrafficPolicy: Local`;
  return usable === 0
    ? [`${of}, ${which}: ${node} has no ready endpoint of its own, the cluster has ${inCluster}`]
    : [`${of}, ${which}: only the ${plural(usable, 'backend')} on ${node} may be picked`];
}

const restOf = (usable: number, backends: number): string => (backends > usable ? ` of ${backends}` : '');

const article = (type: string): string => (/^[AEIOU]/.test(type) ? 'an' : 'a');

const policyOf = ({ type, scope, externalTrafficPolicy, internalTrafficPolicy }: ServiceFacts): string =>
  type === 'ClusterIP' || scope === 'internal' ? internalTrafficPolicy : externalTrafficPolicy;

/** What a drop reason means, for those that configuration or objects bring about. */
const DROPS: Readonly<Record<string, string>> = {
  IS_CLUSTER_IP: 'a cluster IP is not reachable from outside the cluster (bpf-lb-external-clusterip is off)',
  NOT_IN_SRC_RANGE: 'loadBalancerSourceRanges of the Service do not admit this client',
  NAT_NO_MAPPING: 'no source port was free in 32 tries for this destination',
  NO_FIB: 'the node has no route to the destination',
  TTL_EXCEEDED: 'the packet had no TTL left',
  NO_TUNNEL_ENDPOINT: 'the node does not know by which tunnel the backend is reached',
  FRAG_NOT_FOUND: 'the first fragment of the datagram has not been seen here',
  INVALID: 'the packet does not fit what the program expects there',
};

function aboutDrop(name: string, service: ServiceFacts | undefined): string[] {
  if (name === 'NO_SERVICE' && service !== undefined) {
    return [`the service has no backend to pick on ${service.node}, and service-no-backend-response is drop`];
  }
  const text = DROPS[name];
  return text === undefined ? [] : [text];
}

/** Why the receiver sees the source that it sees. */
function aboutSource({ outcome, hops, from }: Journey): string[] {
  const { sourceSeen } = outcome;
  const sent = hops.find(({ direction, before }) => direction === 'request' && before !== undefined && before.ttl > 0)
    ?.before?.source;
  if (sourceSeen === undefined || sent === undefined || !from.startsWith('external:')) return [];
  if (sourceSeen === sent) {
    const dsr = hops.some(
      ({ after, before }) =>
        (after?.dsr !== undefined && before?.dsr === undefined) || after?.outer?.[0]?.by === 'Geneve',
    );
    if (outcome.kind !== 'replied' && outcome.kind !== 'delivered' && outcome.kind !== 'wrongSource') return [];
    return [
      dsr
        ? 'the client address is kept: DSR hands the packet on with its source'
        : 'the client address is kept: the node that got the packet did not have to translate the source',
    ];
  }
  return [
    `the source is translated: the backend is on another node, and its answer has to come back through ${hops[0]?.node ?? 'the node'}`,
  ];
}
