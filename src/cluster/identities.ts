import type { RawObject } from '../k8s/raw.ts';
import { PolicyCluster, type PolicyClusterOptions } from '../policy/index.ts';
import type { TopologyPod } from './topology.ts';

/** Kinds of objects that are policies. */
const POLICY_KINDS: readonly string[] = ['NetworkPolicy', 'CiliumNetworkPolicy', 'CiliumClusterwideNetworkPolicy'];

/** Kinds that only policies look at; in most clusters they are most of the objects. */
const ONLY_FOR_POLICIES: readonly string[] = ['Service', 'EndpointSlice'];

/** The first identity that clusters hand out. */
const FIRST_IDENTITY = 16384;

/** Who is who in the cluster: security identities of pods, and what policy says of them. */
export class IdentityBook {
  readonly #options: PolicyClusterOptions;
  #policy: PolicyCluster;
  /** Pods that are known by EndpointSlices only: one identity for each namespace, as if they had no labels. */
  readonly #byNamespace = new Map<string, number>();

  constructor(objects: readonly RawObject[], options: PolicyClusterOptions) {
    this.#options = options;
    this.#policy = policyOf(objects, options);
  }

  get policy(): PolicyCluster {
    return this.#policy;
  }

  /** True if any policy object is in force. */
  get enforces(): boolean {
    return this.#policy.policies.length > 0;
  }

  observe(objects: readonly RawObject[]): void {
    this.#policy = policyOf(objects, this.#options);
  }

  of(pod: TopologyPod): number {
    const { pods } = this.#policy;
    const known = pods.size === 0 ? undefined : pods.get(`${pod.namespace}/${pod.name}`);
    if (known !== undefined) return known.identity;
    let identity = this.#byNamespace.get(pod.namespace);
    if (identity === undefined) {
      identity = FIRST_IDENTITY + pods.size + this.#byNamespace.size;
      this.#byNamespace.set(pod.namespace, identity);
    }
    return identity;
  }
}

/** Policy of a cluster; without any policy object it is about pods' identities alone. */
function policyOf(objects: readonly RawObject[], options: PolicyClusterOptions): PolicyCluster {
  const enforces = objects.some(({ kind }) => POLICY_KINDS.includes(kind));
  return new PolicyCluster(
    enforces ? objects : objects.filter(({ kind }) => !ONLY_FOR_POLICIES.includes(kind)),
    options,
  );
}
