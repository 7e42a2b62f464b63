/** Header sizes and field offsets in bytes, each from the start of its own header. The only place that knows them. */
export const ETH = { SIZE: 14, DST: 0, SRC: 6, TYPE: 12 } as const;

export const EtherType = {
  IPV4: 0x0800,
  ARP: 0x0806,
  VLAN: 0x8100,
  IPV6: 0x86dd,
  TRANSPARENT_BRIDGING: 0x6558,
} as const;

export const IPV4 = {
  SIZE: 20,
  VERSION_IHL: 0,
  TOS: 1,
  TOTAL_LENGTH: 2,
  ID: 4,
  FRAGMENT: 6,
  TTL: 8,
  PROTOCOL: 9,
  CHECKSUM: 10,
  SRC: 12,
  DST: 16,
  /** Bits of the FRAGMENT word. */
  DONT_FRAGMENT: 0x4000,
  MORE_FRAGMENTS: 0x2000,
  OFFSET_MASK: 0x1fff,
} as const;

export const IPV6 = { SIZE: 40, FLOW: 0, PAYLOAD_LENGTH: 4, NEXT_HEADER: 6, HOP_LIMIT: 7, SRC: 8, DST: 24 } as const;

export const IPV6_FRAGMENT = {
  SIZE: 8,
  NEXT_HEADER: 0,
  OFFSET: 2,
  ID: 4,
  MORE_FRAGMENTS: 1,
  OFFSET_MASK: 0xfff8,
} as const;

/** Next-header values that are IPv6 extension headers, and the one that ends the chain without a payload. */
export const NextHeader = {
  HOP_BY_HOP: 0,
  ROUTING: 43,
  FRAGMENT: 44,
  AUTHENTICATION: 51,
  NONE: 59,
  DESTINATION: 60,
} as const;

/** Protocol numbers of the encapsulations that IPIP uses. */
export const Encapsulation = { IPV4: 4, IPV6: 41 } as const;

export const TCP = {
  SIZE: 20,
  SRC_PORT: 0,
  DST_PORT: 2,
  SEQUENCE: 4,
  ACK: 8,
  DATA_OFFSET: 12,
  FLAGS: 13,
  CHECKSUM: 16,
} as const;

export const TcpFlag = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16, URG: 32, ECE: 64, CWR: 128 } as const;

export const UDP = { SIZE: 8, SRC_PORT: 0, DST_PORT: 2, LENGTH: 4, CHECKSUM: 6 } as const;

export const SCTP = { SIZE: 12, SRC_PORT: 0, DST_PORT: 2, TAG: 4, CHECKSUM: 8 } as const;

/** ICMP and ICMPv6 share the first four bytes; ID is that of an echo, MTU that of fragmentation-needed / packet-too-big. */
export const ICMP = { SIZE: 8, TYPE: 0, CODE: 1, CHECKSUM: 2, ID: 4, SEQUENCE: 6, MTU4: 6, MTU6: 4 } as const;

export const IcmpType = {
  ECHO_REPLY: 0,
  DEST_UNREACHABLE: 3,
  ECHO_REQUEST: 8,
  TIME_EXCEEDED: 11,
  PARAMETER_PROBLEM: 12,
} as const;

export const IcmpCode = { PORT_UNREACHABLE: 3, FRAGMENTATION_NEEDED: 4 } as const;

export const Icmp6Type = {
  DEST_UNREACHABLE: 1,
  PACKET_TOO_BIG: 2,
  TIME_EXCEEDED: 3,
  PARAMETER_PROBLEM: 4,
  ECHO_REQUEST: 128,
  ECHO_REPLY: 129,
  NEIGHBOUR_SOLICITATION: 135,
  NEIGHBOUR_ADVERTISEMENT: 136,
} as const;

export const Icmp6Code = { PORT_UNREACHABLE: 4 } as const;

/** VXLAN: flags byte, then a 24-bit VNI at offset 4. */
export const VXLAN = { SIZE: 8, FLAGS: 0, VNI: 4, VNI_VALID: 0x08, PORT: 8472 } as const;

/** Geneve: option length in 4-byte words (low 6 bits of byte 0), protocol type, 24-bit VNI at offset 4. */
export const GENEVE = { SIZE: 8, OPTION_LENGTH: 0, PROTOCOL: 2, VNI: 4, PORT: 6081 } as const;
