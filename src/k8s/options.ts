import type { Profile } from '../config/profile.ts';
import { type Defect, NO_DEFECTS } from './defects.ts';
import { DEFAULT_HASH_SEED } from '../hash/seed.ts';
import { DEFAULT_TABLE_SIZE } from '../maglev/sizes.ts';
import type { Cidr } from '../net/cidr.ts';

/** What the control plane needs to know of the agent's configuration; each field names its ConfigMap key. */
export interface ControlPlaneOptions {
  /** Whose maps: the Kubernetes name of this node. */
  readonly nodeName: string;
  readonly profile: Profile;
  /** `enable-ipv4` */
  readonly enableIpv4: boolean;
  /** `enable-ipv6` */
  readonly enableIpv6: boolean;
  /** `kube-proxy-replacement`, or `enable-node-port`: frontends other than ClusterIP exist. */
  readonly kubeProxyReplacement: boolean;
  /** `enable-host-port`, read by profile 1.17 alone; kube-proxy replacement implies it. */
  readonly hostPort: boolean;
  /** `enable-external-ips`, read by profile 1.17 alone; kube-proxy replacement implies it. */
  readonly externalIps: boolean;
  /** `bpf-lb-algorithm` */
  readonly algorithm: 'random' | 'maglev';
  /** `bpf-lb-algorithm-annotation` */
  readonly algorithmAnnotation: boolean;
  /** `bpf-lb-mode` */
  readonly mode: 'snat' | 'dsr' | 'hybrid';
  /** `bpf-lb-mode-annotation` */
  readonly modeAnnotation: boolean;
  /** `bpf-lb-external-clusterip` */
  readonly externalClusterIp: boolean;
  /** `bpf-lb-maglev-table-size` */
  readonly maglevTableSize: number;
  /** `bpf-lb-maglev-hash-seed` */
  readonly maglevHashSeed: string;
  /** `node-port-range`: both ends included. */
  readonly nodePortRange: readonly [number, number];
  /** `nodeport-addresses`: which addresses of the node serve NodePorts; empty: one of each family. */
  readonly nodePortAddresses: readonly Cidr[];
  /** `enable-health-check-nodeport` */
  readonly healthCheckNodePort: boolean;
  /** `enable-health-check-loadbalancer-ip`, read by profile 1.17 alone. */
  readonly healthCheckLoadBalancerIp: boolean;
  /** `enable-local-redirect-policy` */
  readonly localRedirectPolicy: boolean;
  /** `enable-envoy-config`: CiliumEnvoyConfig and CiliumClusterwideEnvoyConfig are read. */
  readonly envoyConfig: boolean;
  /** `k8s-service-proxy-name`: Services with another `service.kubernetes.io/service-proxy-name` label are not seen. */
  readonly serviceProxyName: string;
  /** `cluster-name`: what this cluster itself announces to the mesh is passed over. */
  readonly clusterName: string;
  /** The kernel tells network namespaces apart (needed for loopback hostPorts and skip-LB). */
  readonly netnsCookie: boolean;
  /** `bpf-lb-source-range-all-types`, read by profile 1.17 alone. */
  readonly sourceRangeAllTypes: boolean;
  /** `fixed-zone-mapping`: numbers of zones, 1..255, as backend entries have them; 0 for a zone without one. */
  readonly fixedZoneMapping: Readonly<Record<string, number>>;
  /** `enable-session-affinity`: otherwise only the flag tells of an affinity. */
  readonly sessionAffinity: boolean;
  /** `enable-svc-source-range-check`: otherwise no ranges are written. */
  readonly sourceRangeCheck: boolean;
  /** `enable-internal-traffic-policy`, read by profile 1.17 alone. */
  readonly internalTrafficPolicy: boolean;
  /** `enable-service-topology`, read by profile 1.17 alone. */
  readonly serviceTopology: boolean;
  /** Defects of the recorded control plane to show; none by default. */
  readonly defects: ReadonlySet<Defect>;
  /** Listener (`namespace/config/listener`) to the proxy port the agent gave it; a running agent picks it at random. */
  readonly proxyPort: (listener: string) => number;
  /** Highest service id that is never handed out (65535); a smaller one is for tests of the wrap-around. */
  readonly maxServiceId: number;
  /** Highest backend id that is never handed out (4294967295). */
  readonly maxBackendId: number;
}

export const DEFAULT_PROXY_PORT = 10000;

export const DEFAULT_OPTIONS: ControlPlaneOptions = {
  nodeName: '',
  profile: '1.18',
  enableIpv4: true,
  enableIpv6: true,
  kubeProxyReplacement: true,
  hostPort: true,
  externalIps: true,
  algorithm: 'random',
  algorithmAnnotation: false,
  mode: 'snat',
  modeAnnotation: false,
  externalClusterIp: false,
  maglevTableSize: DEFAULT_TABLE_SIZE,
  maglevHashSeed: DEFAULT_HASH_SEED,
  nodePortRange: [30000, 32767],
  nodePortAddresses: [],
  healthCheckNodePort: true,
  healthCheckLoadBalancerIp: false,
  localRedirectPolicy: false,
  envoyConfig: false,
  serviceProxyName: '',
  clusterName: 'default',
  netnsCookie: true,
  sourceRangeAllTypes: false,
  fixedZoneMapping: {},
  sessionAffinity: true,
  sourceRangeCheck: true,
  internalTrafficPolicy: true,
  serviceTopology: false,
  defects: NO_DEFECTS,
  proxyPort: () => DEFAULT_PROXY_PORT,
  maxServiceId: 0xffff,
  maxBackendId: 0xffffffff,
};
