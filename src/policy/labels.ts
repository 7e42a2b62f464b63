import { type Cidr, formatCidr, maskCidr, maskWord, tryParseAddress, tryParseCidr } from '../net/index.ts';

/** A security label: `k8s:app=web` has source `k8s`, key `app`, value `web`. `cidr` labels carry their prefix. */
export interface Label {
  readonly source: string;
  readonly key: string;
  readonly value: string;
  /** The masked prefix of a label with source `cidr`. */
  readonly cidr?: Cidr;
}

export const LabelSource = {
  ANY: 'any',
  K8S: 'k8s',
  RESERVED: 'reserved',
  CIDR: 'cidr',
  CIDR_GROUP: 'cidrgroup',
  FQDN: 'fqdn',
  NODE: 'node',
} as const;

/** Label keys that Cilium gives a meaning. */
export const LabelKey = {
  NAMESPACE: 'io.kubernetes.pod.namespace',
  NAMESPACE_LABELS: 'io.cilium.k8s.namespace.labels',
  CLUSTER: 'io.cilium.k8s.policy.cluster',
  SERVICE_ACCOUNT: 'io.cilium.k8s.policy.serviceaccount',
  CIDR_GROUP_NAME: 'io.cilium.policy.cidrgroupname',
} as const;

/** Splits `source:key`; without a colon the source is `any`. */
export function splitKey(text: string): { source: string; key: string } {
  const colon = text.indexOf(':');
  return colon < 0
    ? { source: LabelSource.ANY, key: text }
    : { source: text.slice(0, colon) || LabelSource.ANY, key: text.slice(colon + 1) };
}

/** Parses `source:key=value`; `=value` may be absent. */
export function parseLabel(text: string): Label {
  const { source, key: rest } = splitKey(text);
  const equals = rest.indexOf('=');
  const key = equals < 0 ? rest : rest.slice(0, equals);
  const value = equals < 0 ? '' : rest.slice(equals + 1);
  const cidr = source === LabelSource.CIDR ? parseCidrKey(key) : undefined;
  return cidr === undefined ? { source, key, value } : { source, key, value, cidr };
}

export const label = (source: string, key: string, value = ''): Label => ({ source, key, value });

export const reservedLabel = (name: string): Label => label(LabelSource.RESERVED, name);

/** The label of a prefix: `cidr:10.0.0.0/8`. In IPv6 keys `-` stands for `:`, and the ends are padded with a zero. */
export function cidrLabel(cidr: Cidr): Label {
  const masked = maskCidr(cidr);
  return { source: LabelSource.CIDR, key: cidrKey(masked), value: '', cidr: masked };
}

export function cidrKey(cidr: Cidr): string {
  const text = formatCidr(cidr);
  if (cidr.address.family === 4) return text;
  const [address, bits] = text.split('/') as [string, string];
  const dashed = address.replaceAll(':', '-').replace(/^-/, '0-').replace(/-$/, '-0');
  return `${dashed}/${bits}`;
}

/** The prefix that the key of a `cidr` label names. */
export function parseCidrKey(key: string): Cidr | undefined {
  const slash = key.lastIndexOf('/');
  const address = (slash < 0 ? key : key.slice(0, slash)).replace(/^0--/, '--').replace(/--0$/, '--');
  const text = address.includes('-') ? address.replaceAll('-', ':') : address;
  const cidr = slash < 0 ? hostCidr(text) : tryParseCidr(`${text}${key.slice(slash)}`);
  return cidr === undefined ? undefined : maskCidr(cidr);
}

/** A bare address as the prefix of that one address. */
export function hostCidr(text: string): Cidr | undefined {
  const address = tryParseAddress(text);
  return address === undefined ? undefined : { address, bits: address.family === 4 ? 32 : 128 };
}

/** True if `inner` lies inside `outer`; both masked. */
export function cidrCovers(outer: Cidr, inner: Cidr): boolean {
  if (outer.address.family !== inner.address.family || outer.bits > inner.bits) return false;
  return outer.address.words.every(
    (word, i) => ((word ^ inner.address.words[i]!) & maskWord(outer.bits - 32 * i)) === 0,
  );
}

/** `k8s:app=web`, `reserved:host`, `cidr:10.0.0.0/8`: as the agent prints labels. */
export const formatLabel = ({ source, key, value }: Label): string =>
  value === '' && source !== LabelSource.K8S ? `${source}:${key}` : `${source}:${key}=${value}`;

/** Labels in the order in which selectors look at them: by key. */
export const sortLabels = (labels: readonly Label[]): Label[] =>
  [...labels].sort((a, b) => compareText(a.key, b.key) || compareText(a.source, b.source));

export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
