/**
 * A second opinion on policy, for laws: objects are evaluated as they are written, one packet at a time, without selectors,
 * filters, entries or identities. It knows only what the generator of `random-policies.ts` writes.
 */
export interface Pod {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** The other side of a connection. */
export type Remote = { pod: Pod } | { address: string } | { entity: 'host' | 'remote-node' | 'health' };

export interface Packet {
  readonly direction: 'ingress' | 'egress';
  readonly remote: Remote;
  readonly proto: number;
  /** Port, or ICMP type. */
  readonly port: number;
}

export interface Opinion {
  readonly verdict: 'allow' | 'deny' | 'default-deny';
  readonly redirect: boolean;
}

export interface LabelSelector {
  matchLabels?: Record<string, string>;
  matchExpressions?: { key: string; operator: string; values?: string[] }[];
}
export interface Item {
  fromEndpoints?: LabelSelector[];
  toEndpoints?: LabelSelector[];
  fromEntities?: string[];
  toEntities?: string[];
  fromCIDRSet?: { cidr: string; except?: string[] }[];
  toCIDRSet?: { cidr: string; except?: string[] }[];
  toPorts?: { ports: readonly { port: string; endPort?: number; protocol?: string }[]; rules?: unknown }[];
  icmps?: { fields: { type: number; family: string }[] }[];
}
export interface Policy {
  apiVersion: string;
  kind: 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy';
  metadata: { name: string; namespace?: string };
  spec: {
    endpointSelector: LabelSelector;
    enableDefaultDeny?: { ingress?: boolean; egress?: boolean };
    ingress?: Item[];
    ingressDeny?: Item[];
    egress?: Item[];
    egressDeny?: Item[];
  };
}

const NAMESPACE = 'k8s:io.kubernetes.pod.namespace';

function value(pod: Pod, key: string): string | undefined {
  return key === NAMESPACE ? pod.namespace : pod.labels[key];
}

function selected(selector: LabelSelector, pod: Pod): boolean {
  for (const [key, wanted] of Object.entries(selector.matchLabels ?? {})) if (value(pod, key) !== wanted) return false;
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const found = value(pod, key);
    const among = found !== undefined && values?.includes(found) === true;
    if (operator === 'In' && !among) return false;
    if (operator === 'NotIn' && among) return false;
    if (operator === 'Exists' && found === undefined) return false;
    if (operator === 'DoesNotExist' && found !== undefined) return false;
  }
  return true;
}

const bits = (address: string): bigint => address.split('.').reduce((sum, octet) => sum * 256n + BigInt(octet), 0n);

function inside(address: string, cidr: string): boolean {
  const [base, length] = cidr.split('/') as [string, string];
  const shift = BigInt(32 - Number(length));
  return bits(address) >> shift === bits(base) >> shift;
}

/**
 * The ipcache knows prefixes, not addresses: an address stands for the longest prefix that any policy names around it, so an
 * exception counts only where such a prefix lies inside it.
 */
function prefixOf(address: string, policies: readonly Policy[]): string | undefined {
  const all = policies.flatMap(({ spec }) =>
    [spec.ingress, spec.ingressDeny, spec.egress, spec.egressDeny].flatMap((items) =>
      (items ?? []).flatMap((item) =>
        (item.fromCIDRSet ?? item.toCIDRSet ?? []).flatMap(({ cidr, except }) => [cidr, ...(except ?? [])]),
      ),
    ),
  );
  const length = (cidr: string): number => Number(cidr.split('/')[1]);
  return all.filter((cidr) => inside(address, cidr)).sort((a, b) => length(b) - length(a))[0];
}

/** `outer` holds all of `inner`. */
const within = (inner: string, outer: string): boolean =>
  Number(inner.split('/')[1]) >= Number(outer.split('/')[1]) && inside(inner.split('/')[0]!, outer);

function isPeer(item: Item, remote: Remote, policy: Policy, policies: readonly Policy[]): boolean | undefined {
  const endpoints = item.fromEndpoints ?? item.toEndpoints;
  const entities = item.fromEntities ?? item.toEntities;
  const cidrs = item.fromCIDRSet ?? item.toCIDRSet;
  if (endpoints !== undefined) {
    return endpoints.some((selector) => {
      if (!('pod' in remote)) return false;
      const keys = [
        ...Object.keys(selector.matchLabels ?? {}),
        ...(selector.matchExpressions ?? []).map(({ key }) => key),
      ];
      const { namespace } = policy.metadata;
      if (namespace !== undefined && !keys.includes(NAMESPACE) && remote.pod.namespace !== namespace) return false;
      return selected(selector, remote.pod);
    });
  }
  if (entities !== undefined) {
    return entities.some((entity) => {
      if (entity === 'all') return true;
      if (entity === 'world') return 'address' in remote;
      if (entity === 'cluster') return !('address' in remote);
      return 'entity' in remote && remote.entity === entity;
    });
  }
  if (cidrs !== undefined) {
    return cidrs.some(({ cidr, except }) => {
      if (!('address' in remote)) return false;
      const prefix = prefixOf(remote.address, policies);
      if (prefix === undefined) return false;
      if (!(cidr.endsWith('/0') || within(prefix, cidr))) return false;
      return !(except ?? []).some((hole) => within(prefix, hole));
    });
  }
  return undefined;
}

const PROTOCOLS: Record<string, number[]> = { TCP: [6], UDP: [17], SCTP: [132], ANY: [6, 17, 132] };

function isPort(item: Item, { proto, port }: Packet): boolean {
  if (item.icmps !== undefined) {
    return item.icmps.some(({ fields }) =>
      fields.some(({ type, family }) => (family === 'IPv6' ? 58 : 1) === proto && (type === 0 || type === port)),
    );
  }
  if (item.toPorts === undefined) return true;
  return item.toPorts.some(({ ports }) =>
    ports.some(({ port: text, endPort, protocol }) => {
      if (!PROTOCOLS[protocol ?? 'ANY']!.includes(proto)) return false;
      const start = Number(text);
      return start === 0 || port === start || (endPort !== undefined && port >= start && port <= endPort);
    }),
  );
}

/** What the policies say about a packet of `subject`. */
export function opinion(policies: readonly Policy[], subject: Pod, packet: Packet): Opinion {
  const { direction, remote } = packet;
  const mine = policies.filter(({ metadata, spec }) => {
    if (metadata.namespace !== undefined && metadata.namespace !== subject.namespace) return false;
    return selected(spec.endpointSelector, subject);
  });
  const allowItems = (policy: Policy): Item[] => policy.spec[direction] ?? [];
  const denyItems = (policy: Policy): Item[] => policy.spec[`${direction}Deny`] ?? [];
  const isolating = mine.filter((policy) => allowItems(policy).length + denyItems(policy).length > 0);
  if (isolating.length === 0) return { verdict: 'allow', redirect: false };

  const matches = (item: Item, policy: Policy): boolean => {
    const peer = isPeer(item, remote, policy, policies);
    if (peer === undefined && item.toPorts === undefined && item.icmps === undefined) return false;
    return peer !== false && isPort(item, packet);
  };
  if (isolating.some((policy) => denyItems(policy).some((item) => matches(item, policy)))) {
    return { verdict: 'deny', redirect: false };
  }
  const allowing = isolating.flatMap((policy) => allowItems(policy).filter((item) => matches(item, policy)));
  const redirect =
    packet.proto === 6 && allowing.some(({ toPorts }) => toPorts?.some(({ rules }) => rules !== undefined) === true);
  if (allowing.length > 0) return { verdict: 'allow', redirect };
  if (direction === 'ingress' && 'entity' in remote && remote.entity === 'host')
    return { verdict: 'allow', redirect: false };
  const defaultDeny = isolating.some((policy) => policy.spec.enableDefaultDeny?.[direction] ?? true);
  return { verdict: defaultDeny ? 'default-deny' : 'allow', redirect: false };
}
