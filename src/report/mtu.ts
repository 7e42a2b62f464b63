import { DSR_EXTENSION6, DSR_GENEVE, DSR_OPTION4 } from '../net/dsr.ts';
import { ETH, GENEVE, IPV4, IPV6, TCP, UDP, VXLAN } from '../net/headers.ts';
import { textTable } from './table.ts';

/** What a way of forwarding adds to a packet, and what that leaves of a path MTU. */
export interface MtuRow {
  readonly mode: string;
  readonly family: 4 | 6;
  /** Which packets get it. */
  readonly packets: string;
  /** Bytes that the packet on the wire is larger than the client's. */
  readonly added: number;
  /** Bytes that the datapath counts when it checks a packet against the MTU (`pmtuDiscovery.enabled`); undefined where it never checks. */
  readonly counted: number | undefined;
  /** The largest IP packet of a client that fits. */
  readonly largest: number;
  /** Payload of such a packet. */
  readonly tcpPayload: number;
  readonly udpPayload: number;
}

const OUTER = IPV4.SIZE + UDP.SIZE + ETH.SIZE;
const GENEVE_OUTER = OUTER + GENEVE.SIZE;
const VXLAN_OUTER = OUTER + VXLAN.SIZE;

interface Mode {
  readonly mode: string;
  readonly packets: string;
  readonly added: Readonly<Record<4 | 6, number>>;
  readonly counted: Readonly<Record<4 | 6, number>> | undefined;
}

/** The size check of Geneve counts an IPv6 outer header for IPv6 packets, although the outer header is IPv4 (docs/northsouth.md). */
const GENEVE6_COUNTED = GENEVE_OUTER + IPV6.SIZE - IPV4.SIZE;
const EVERY_SYN = 'TCP SYN, every UDP packet';

const MODES: readonly Mode[] = [
  { mode: 'SNAT, native routing', packets: 'all', added: { 4: 0, 6: 0 }, counted: undefined },
  { mode: 'SNAT, VXLAN', packets: 'all', added: { 4: VXLAN_OUTER, 6: VXLAN_OUTER }, counted: undefined },
  { mode: 'SNAT, Geneve', packets: 'all', added: { 4: GENEVE_OUTER, 6: GENEVE_OUTER }, counted: undefined },
  {
    mode: 'DSR, IP option / extension header',
    packets: EVERY_SYN,
    added: { 4: DSR_OPTION4.SIZE, 6: DSR_EXTENSION6.SIZE },
    counted: { 4: DSR_OPTION4.SIZE, 6: DSR_EXTENSION6.SIZE },
  },
  {
    mode: 'DSR, IPIP',
    packets: 'all',
    added: { 4: IPV4.SIZE, 6: IPV6.SIZE },
    counted: { 4: IPV4.SIZE, 6: IPV6.SIZE },
  },
  {
    mode: 'DSR, Geneve with the option',
    packets: EVERY_SYN,
    added: { 4: GENEVE_OUTER + DSR_GENEVE.SIZE4, 6: GENEVE_OUTER + DSR_GENEVE.SIZE6 },
    counted: { 4: GENEVE_OUTER + DSR_GENEVE.SIZE4, 6: GENEVE6_COUNTED + DSR_GENEVE.SIZE6 },
  },
  {
    mode: 'DSR, Geneve without',
    packets: 'other TCP packets',
    added: { 4: GENEVE_OUTER, 6: GENEVE_OUTER },
    counted: { 4: GENEVE_OUTER, 6: GENEVE6_COUNTED },
  },
];

/** Sizes for each way of forwarding and family, on a path of `mtu` bytes. */
export function mtuRows(mtu: number): MtuRow[] {
  return MODES.flatMap(({ mode, packets, added, counted }) =>
    ([4, 6] as const).map((family): MtuRow => {
      const ip = family === 4 ? IPV4.SIZE : IPV6.SIZE;
      const largest = mtu - Math.max(added[family], counted?.[family] ?? 0);
      return {
        mode,
        family,
        packets,
        added: added[family],
        counted: counted?.[family],
        largest,
        tcpPayload: largest - ip - TCP.SIZE,
        udpPayload: largest - ip - UDP.SIZE,
      };
    }),
  );
}

export function formatMtu(mtu: number, rows: readonly MtuRow[]): string {
  const head = ['mode', '', 'packets', 'added', 'checked', 'largest', 'TCP payload', 'UDP payload'];
  const cells = rows.map((row) => [
    row.mode,
    `IPv${row.family}`,
    row.packets,
    `+${row.added}`,
    row.counted === undefined ? '-' : `+${row.counted}`,
    String(row.largest),
    String(row.tcpPayload),
    String(row.udpPayload),
  ]);
  return `path MTU ${mtu}: bytes that forwarding adds, and what is left for the client's packet\n\n${textTable([head, ...cells], new Set([3, 4, 5, 6, 7]))}`;
}
