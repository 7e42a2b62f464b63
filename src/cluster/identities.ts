import type { RawObject } from '../k8s/raw.ts';
import { PolicyCluster, type PolicyClusterOptions } from '../policy/index.ts';
import type { TopologyPod } from './topology.ts';

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
    this.#policy = new PolicyCluster(objects, options);
  }

  get policy(): PolicyCluster {
    return this.#policy;
  }

  /** True if any policy object is in force. */
  get enforces(): boolean {
    return this.#policy.policies.length > 0;
  }

  observe(objects: readonly RawObject[]): void {
    this.#policy = new PolicyCluster(objects, this.#options);
  }

  of(pod: TopologyPod): number {
    const known = this.#policy.pods.get(`${pod.namespace}/${pod.name}`);
    if (known !== undefined) return known.identity;
    let identity = this.#byNamespace.get(pod.namespace);
    if (identity === undefined) {
      identity = FIRST_IDENTITY + this.#policy.pods.size + this.#byNamespace.size;
      this.#byNamespace.set(pod.namespace, identity);
    }
    return identity;
  }
}
