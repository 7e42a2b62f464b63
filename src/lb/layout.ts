/**
 * What the numbers in the load-balancing maps mean: flag bits, scopes, backend states, the service value's union word.
 * `docs/services.md` tells the rules.
 */

/** Bits of a service's 16-bit flag word: the datapath's `flags` byte in bits 0..7, `flags2` in bits 8..15. */
export const ServiceFlag = {
  EXTERNAL_IP: 0x0001,
  NODE_PORT: 0x0002,
  /** externalTrafficPolicy=Local; told to the reader, not looked at by the datapath. */
  EXT_LOCAL_SCOPE: 0x0004,
  HOST_PORT: 0x0008,
  AFFINITY: 0x0010,
  LOAD_BALANCER: 0x0020,
  /** Reachable from outside the cluster. */
  ROUTABLE: 0x0040,
  /** The client's address is checked against the source ranges of the service. */
  SOURCE_RANGE: 0x0080,
  LOCAL_REDIRECT: 0x0100,
  NAT_46X64: 0x0200,
  /** Redirected to the L7 proxy whose port is the union word, if that is not 0. */
  L7_LOAD_BALANCER: 0x0400,
  /** With HOST_PORT: the hostPort is on loopback only. The same bit as `L7_DELEGATE`. */
  HOST_PORT_LOOPBACK: 0x0800,
  /** Without HOST_PORT: proxy delegation. The same bit as `HOST_PORT_LOOPBACK`. */
  L7_DELEGATE: 0x0800,
  /** internalTrafficPolicy=Local; told to the reader, not looked at by the datapath. */
  INT_LOCAL_SCOPE: 0x1000,
  TWO_SCOPES: 0x2000,
  /** On a master entry: the source ranges refuse instead of allow. The same bit as `QUARANTINED`. */
  SOURCE_RANGE_DENY: 0x4000,
  /** On a slot: the backend is quarantined. The same bit as `SOURCE_RANGE_DENY`. */
  QUARANTINED: 0x4000,
  /** Forwarding mode DSR (where it is chosen by service). */
  FWD_MODE_DSR: 0x8000,
} as const;

/** Lookup scope of a service entry: traffic from outside, and from inside the cluster where the policies differ. */
export const Scope = { EXTERNAL: 0, INTERNAL: 1 } as const;

/** State of a backend in the backend map. Only `ACTIVE` takes new connections beyond the service's `count`. */
export const BackendState = { ACTIVE: 0, TERMINATING: 1, QUARANTINED: 2, MAINTENANCE: 3 } as const;

/** Backend selection: as the option `bpf-lb-algorithm`, and as bits 24..31 of a master entry's union word. */
export const Algorithm = { UNDEFINED: 0, RANDOM: 1, MAGLEV: 2 } as const;

const has = (flags: number, bit: number): boolean => (flags & bit) !== 0;

export const isExternalIp = (flags: number): boolean => has(flags, ServiceFlag.EXTERNAL_IP);
export const isNodePort = (flags: number): boolean => has(flags, ServiceFlag.NODE_PORT);
export const isHostPort = (flags: number): boolean => has(flags, ServiceFlag.HOST_PORT);
export const hasAffinity = (flags: number): boolean => has(flags, ServiceFlag.AFFINITY);
export const isLoadBalancer = (flags: number): boolean => has(flags, ServiceFlag.LOAD_BALANCER);
export const isRoutable = (flags: number): boolean => has(flags, ServiceFlag.ROUTABLE);
export const hasSourceRange = (flags: number): boolean => has(flags, ServiceFlag.SOURCE_RANGE);
export const isLocalRedirect = (flags: number): boolean => has(flags, ServiceFlag.LOCAL_REDIRECT);
export const isNat46x64 = (flags: number): boolean => has(flags, ServiceFlag.NAT_46X64);
/** Whether the hostPort-on-loopback bit is set; whether it means that is for the caller to know (`isHostPort`). */
export const isLoopback = (flags: number): boolean => has(flags, ServiceFlag.HOST_PORT_LOOPBACK);
export const isTwoScopes = (flags: number): boolean => has(flags, ServiceFlag.TWO_SCOPES);
export const isSourceRangeDeny = (flags: number): boolean => has(flags, ServiceFlag.SOURCE_RANGE_DENY);
export const isForwardingModeDsr = (flags: number): boolean => has(flags, ServiceFlag.FWD_MODE_DSR);

/** Proxy delegation: the bit counts only on a service that is no hostPort. */
export const isL7Delegate = (flags: number): boolean =>
  (flags & (ServiceFlag.L7_DELEGATE | ServiceFlag.HOST_PORT)) === ServiceFlag.L7_DELEGATE;

/** An L7 service with a proxy port; `union` is the master entry's first word. */
export const isL7LoadBalancer = (flags: number, union: number): boolean =>
  has(flags, ServiceFlag.L7_LOAD_BALANCER) && union !== 0;

/** The datapath's two flag bytes as the one word that is used here. */
export const joinFlags = (flags: number, flags2: number): number => (flags & 0xff) | ((flags2 & 0xff) << 8);

/** Session affinity timeout in seconds (24 bits) of a master entry's union word. */
export const affinityTimeout = (union: number): number => union & 0xffffff;

/** Algorithm byte of a master entry's union word. */
export const serviceAlgorithm = (union: number): number => union >>> 24;

/** Union word of a master entry: affinity timeout in seconds (0..0xffffff) and algorithm. */
export const affinityUnion = (timeout: number, algorithm: number = Algorithm.UNDEFINED): number =>
  (((algorithm & 0xff) << 24) | (timeout & 0xffffff)) >>> 0;

/** Swaps the two bytes of a 16-bit number. */
export const swap16 = (value: number): number => ((value & 0xff) << 8) | ((value >>> 8) & 0xff);

/** Union word of an L7 service's master entry: the proxy port lies there in network order. */
export const l7Union = (proxyPort: number): number => swap16(proxyPort);

/** Proxy port (host order) of an L7 service's union word. */
export const l7ProxyPort = (union: number): number => swap16(union & 0xffff);
