import { LbtwinError } from '../../errors.ts';
import { type EndpointSliceObject, readEndpointSlice } from './endpointslice.ts';
import { type EnvoyConfigObject, readEnvoyConfig } from './envoy-config.ts';
import { isRecord, type ObjectRef, type Raw, type Warning } from './fields.ts';
import { type LocalRedirectPolicyObject, readLocalRedirectPolicy } from './local-redirect.ts';
import { type NodeObject, type PodObject, readNode, readPod } from './pod.ts';
import { readService, type ServiceObject } from './service.ts';

export type KnownObject =
  NodeObject | ServiceObject | EndpointSliceObject | PodObject | LocalRedirectPolicyObject | EnvoyConfigObject;

type Reader = (raw: Raw, warnings: Warning[]) => KnownObject;

/** Kinds that are read, in the order in which one batch of objects takes effect. */
const READERS: ReadonlyMap<string, { readonly rank: number; readonly group: string; readonly read: Reader }> = new Map([
  ['Node', { rank: 0, group: 'v1', read: readNode }],
  ['CiliumNode', { rank: 1, group: 'cilium.io/', read: readNode }],
  ['Service', { rank: 2, group: 'v1', read: readService }],
  ['EndpointSlice', { rank: 3, group: 'discovery.k8s.io/', read: readEndpointSlice }],
  ['Pod', { rank: 4, group: 'v1', read: readPod }],
  ['CiliumLocalRedirectPolicy', { rank: 5, group: 'cilium.io/', read: readLocalRedirectPolicy }],
  ['CiliumEnvoyConfig', { rank: 6, group: 'cilium.io/', read: readEnvoyConfig }],
  ['CiliumClusterwideEnvoyConfig', { rank: 7, group: 'cilium.io/', read: readEnvoyConfig }],
]);

export const KNOWN_KINDS: readonly string[] = [...READERS.keys()];

const CLUSTER_WIDE: readonly string[] = ['Node', 'CiliumNode', 'CiliumClusterwideEnvoyConfig'];

/** An object that cannot be used, and why. */
export interface Refusal {
  readonly object: ObjectRef;
  /** The object as it was given. */
  readonly raw: unknown;
  /** With the path into the object. */
  readonly error: LbtwinError;
}

/** What a batch of raw objects says. */
export interface DecodedObjects {
  /** In order of effect; within a kind in the order given. */
  readonly objects: readonly KnownObject[];
  readonly refused: readonly Refusal[];
  readonly warnings: readonly Warning[];
  /** Objects of kinds that do not concern the load balancer, by kind. */
  readonly ignored: ReadonlyMap<string, number>;
}

/** Name and kind of a raw object as far as it has them. */
export function refOf(raw: unknown): ObjectRef {
  const metadata = isRecord(raw) && isRecord(raw['metadata']) ? raw['metadata'] : {};
  const part = (value: unknown): string => (typeof value === 'string' ? value : '');
  const kind = isRecord(raw) ? part(raw['kind']) || 'object' : 'object';
  const namespace = CLUSTER_WIDE.includes(kind) ? '' : part(metadata['namespace']) || 'default';
  return { kind, namespace, name: part(metadata['name']) };
}

/** Reads raw Kubernetes objects; lists are taken apart. Nothing is thrown: what cannot be used is told. */
export function decodeObjects(raws: Iterable<unknown>): DecodedObjects {
  const objects: KnownObject[] = [];
  const warnings: Warning[] = [];
  return { objects, warnings, ...visitObjects(raws, warnings, (object) => objects.push(object)) };
}

/** The same without keeping the objects: each is given to `visit`, in order of effect, as soon as it is read. */
export function visitObjects(
  raws: Iterable<unknown>,
  warnings: Warning[],
  visit: (object: KnownObject) => void,
): Pick<DecodedObjects, 'refused' | 'ignored'> {
  const byRank: Raw[][] = KNOWN_KINDS.map(() => []);
  const refused: Refusal[] = [];
  const ignored = new Map<string, number>();
  for (const raw of raws) sortIn(raw, byRank, refused, ignored);
  for (const { rank, read } of READERS.values()) {
    for (const raw of byRank[rank]!) {
      let object: KnownObject;
      try {
        object = read(raw, warnings);
      } catch (error) {
        if (!(error instanceof LbtwinError)) throw error;
        refused.push({ object: refOf(raw), error, raw });
        continue;
      }
      visit(object);
    }
  }
  return { refused, ignored };
}

function sortIn(raw: unknown, byRank: Raw[][], refused: Refusal[], ignored: Map<string, number>): void {
  if (raw === null || raw === undefined) return;
  if (!isRecord(raw)) {
    const error = new LbtwinError('invalid-object', 'not an object', { allowed: 'a Kubernetes object' });
    refused.push({ object: refOf(raw), error, raw });
    return;
  }
  const { kind } = raw;
  if (typeof kind !== 'string' || kind === '') {
    const error = new LbtwinError('invalid-object', 'an object without a kind', { path: ['kind'] });
    refused.push({ object: refOf(raw), error, raw });
    return;
  }
  const reader = READERS.get(kind);
  if (reader !== undefined && hasGroup(raw['apiVersion'], reader.group)) {
    byRank[reader.rank]!.push(raw);
  } else if (kind.endsWith('List') && Array.isArray(raw['items'])) {
    for (const item of raw['items']) sortIn(item, byRank, refused, ignored);
  } else ignored.set(kind, (ignored.get(kind) ?? 0) + 1);
}

/** Manifests by hand may leave the version out. */
const hasGroup = (apiVersion: unknown, group: string): boolean =>
  apiVersion === undefined ||
  (typeof apiVersion === 'string' && (group.endsWith('/') ? apiVersion.startsWith(group) : apiVersion === group));
