import type { Profile } from '../config/profile.ts';

/**
 * Where the control plane that the 1.17 chart runs by default differs from that of 1.18, by name. `docs/control-plane.md` tells each;
 * every name has a test of its own.
 */
export const DIFFERENCES_1_17 = [
  /** LoadBalancer addresses count only with ipMode VIP (or none). */
  'ip-mode',
  /** Source ranges concern LoadBalancer frontends alone, unless `bpf-lb-source-range-all-types`. */
  'source-ranges-by-type',
  /** `enable-internal-traffic-policy=false` ignores internalTrafficPolicy. */
  'internal-policy-switch',
  /** Zone hints: need `enable-service-topology`, are all or nothing, and fall back to every backend. */
  'topology-fallback',
  /** An affinity timeout beyond 24 bits is clamped instead of refused. */
  'affinity-clamp',
  /** Affinity is dropped instead of refused on a frontend that is redirected to the proxy. */
  'affinity-with-proxy',
  /** Redirects to the proxy concern TCP frontends, by the frontend's own port: a NodePort is not known by the Service's. */
  'redirects-by-frontend',
  /** externalTrafficPolicy marks frontends for the outside alone, and neither policy one that is redirected locally. */
  'policies-by-type',
  /**
   * Local redirects: ready pods at the policy's own backend ports; without any the service keeps its backends. A redirected frontend has
   * nothing of its Service; an address matcher takes over a ClusterIP. Neither updates of a policy nor a second one for a service count.
   */
  'local-redirects',
  /** Cluster mesh affinity: all backends keep slots, the preferred ones alone are counted. */
  'preferred-backends',
  /** Slots: no flags on usable ones, quarantined on the rest; ordered by state, then by id. */
  'slots-by-id',
  /** The master entry always carries the algorithm in force. */
  'algorithm-always',
  /** Local-only filtering of a service with proxy delegation wants backends that are node addresses. */
  'delegation-node-addresses',
  /** NodePort frontends of the node's addresses are services of their own, seen in `service list`. */
  'node-port-services',
  /** Health checks reach load balancer addresses only with `enable-health-check-loadbalancer-ip`, but then each of them. */
  'health-check-addresses',
  /** Pods in the network of their host have no hostPort frontends. */
  'host-network-pods',
  /** hostPort and externalIPs have switches of their own beside kube-proxy replacement. */
  'separate-switches',
] as const;

export type Difference = (typeof DIFFERENCES_1_17)[number];

const OF_1_17: ReadonlySet<Difference> = new Set(DIFFERENCES_1_17);

/** Whether a profile behaves the 1.17 way in this respect. */
export const differs = (profile: Profile, difference: Difference): boolean =>
  profile === '1.17' && OF_1_17.has(difference);
