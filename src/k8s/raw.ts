import { LbtwinError } from '../errors.ts';

/** A Kubernetes object as parsed, before any of its fields beyond these was looked at. */
export interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/**
 * Objects of callers, with what everything here relies on: each has a kind and a name. What is in them is looked at where it is used.
 * @throws LbtwinError `invalid-object` with the index of the first that is none
 */
export function rawObjects(objects: Iterable<unknown>): RawObject[] {
  if (typeof objects !== 'object' || objects === null || !(Symbol.iterator in objects)) {
    throw new LbtwinError('invalid-object', 'no list of objects', { allowed: 'the objects that readObjects() gives' });
  }
  return Array.from(objects as Iterable<Partial<RawObject> | null | undefined>, (object, i) => {
    const name = object?.metadata?.name;
    if (typeof object?.kind === 'string' && typeof name === 'string') return object as RawObject;
    throw new LbtwinError('invalid-object', 'no Kubernetes object', {
      path: [i],
      allowed: 'an object with kind and metadata.name',
    });
  });
}

/** The kinds that lbtwin uses, each with its API group and the versions of it that are read. */
const KINDS: Readonly<Record<string, readonly [group: string, versions: readonly string[]]>> = {
  Service: ['', ['v1']],
  Node: ['', ['v1']],
  Pod: ['', ['v1']],
  Namespace: ['', ['v1']],
  ConfigMap: ['', ['v1']],
  EndpointSlice: ['discovery.k8s.io', ['v1']],
  Lease: ['coordination.k8s.io', ['v1']],
  NetworkPolicy: ['networking.k8s.io', ['v1']],
  CiliumNode: ['cilium.io', ['v2']],
  CiliumEndpoint: ['cilium.io', ['v2']],
  CiliumIdentity: ['cilium.io', ['v2']],
  CiliumNetworkPolicy: ['cilium.io', ['v2']],
  CiliumClusterwideNetworkPolicy: ['cilium.io', ['v2']],
  CiliumCIDRGroup: ['cilium.io', ['v2', 'v2alpha1']],
  CiliumLocalRedirectPolicy: ['cilium.io', ['v2']],
  CiliumEnvoyConfig: ['cilium.io', ['v2']],
  CiliumClusterwideEnvoyConfig: ['cilium.io', ['v2']],
};

/** True if lbtwin uses objects of this kind; the same kind name in another API group is another kind. */
export function isUsedKind(apiVersion: string, kind: string): boolean {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind]! : undefined;
  if (known === undefined) return false;
  const slash = apiVersion.lastIndexOf('/');
  return apiVersion.slice(0, Math.max(slash, 0)) === known[0] && known[1].includes(apiVersion.slice(slash + 1));
}

/** The one ConfigMap that is used. */
export const isConfigMapOfCilium = (object: RawObject): boolean => object.metadata.name === 'cilium-config';

/** `Service shop/web`, `Node worker-1`. */
export function describeObject(object: {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
}): string {
  const { namespace, name } = object.metadata;
  return `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}
