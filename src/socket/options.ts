import { LbtwinError } from '../errors.ts';
import { checkPort } from '../net/endpoint.ts';
import { u64, type U64 } from '../net/u64.ts';

/** What the socket programs are built and configured with. The agent's option, or what decides it, is named beside each. */
export interface SocketLbOptions {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Kube-proxy replacement: NodePort and hostPort by wildcard entries, and the bind check. */
  readonly nodePort: boolean;
  /** `bpf-lb-sock-hostns-only`: sockets of pods are left alone. */
  readonly hostNamespaceOnly: boolean;
  /** getpeername is translated back; needs a kernel with that hook. */
  readonly peer: boolean;
  /** `enable-session-affinity`. */
  readonly sessionAffinity: boolean;
  /** `enable-local-redirect-policy`: the skip map is looked at. */
  readonly localRedirect: boolean;
  /** L7 load balancing (Envoy configuration or Ingress) is on. */
  readonly l7: boolean;
  /** `enable-health-check-nodeport` probes: the marked sockets of the health checker. */
  readonly healthCheck: boolean;
  /** `bpf-lb-proto-diff`. */
  readonly protocolDifferentiation: boolean;
  readonly nat46x64: boolean;
  /** External IPs are translated only if they are this host's (off: `disable-external-ip-mitigation`). */
  readonly externalIpMitigation: boolean;
  /** The kernel lets programs choose the errno; without, every refusal is EPERM. */
  readonly setReturnValue: boolean;
  /** `node-port-range`, both ends included. */
  readonly nodePortMin: number;
  readonly nodePortMax: number;
  /** Cookie of the host's network namespace. */
  readonly hostNetnsCookie: U64;
  /** `bpf-sock-rev-map-max`: entries of the reverse map per family. */
  readonly reverseMapMax: number;
}

/** Cilium's defaults with kube-proxy replacement. */
export const DEFAULT_SOCKET_LB_OPTIONS: SocketLbOptions = {
  ipv4: true,
  ipv6: true,
  nodePort: true,
  hostNamespaceOnly: false,
  peer: true,
  sessionAffinity: true,
  localRedirect: false,
  l7: false,
  healthCheck: false,
  protocolDifferentiation: true,
  nat46x64: false,
  externalIpMitigation: true,
  setReturnValue: true,
  nodePortMin: 30000,
  nodePortMax: 32767,
  hostNetnsCookie: u64(1),
  reverseMapMax: 262_144,
};

/** Defaults filled in. @throws LbtwinError `invalid-option`, `invalid-port` */
export function resolveSocketLbOptions(options: Partial<SocketLbOptions>): SocketLbOptions {
  const all = { ...DEFAULT_SOCKET_LB_OPTIONS, ...options };
  checkPort(all.nodePortMin);
  checkPort(all.nodePortMax);
  if (all.nodePortMin > all.nodePortMax) {
    throw new LbtwinError('invalid-option', `${all.nodePortMin}-${all.nodePortMax} is not a port range`, {
      path: ['nodePortMin'],
      allowed: 'a first port that is not above the last',
    });
  }
  return all;
}
