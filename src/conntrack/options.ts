import { MAX_ENTRIES } from '../hash/table.ts';
import { LbtwinError } from '../errors.ts';

/** Conntrack settings; times in whole seconds. The agent's option is named beside each. */
export interface ConntrackOptions {
  /** Established TCP connections (`bpf-ct-timeout-regular-tcp`). */
  readonly tcpTimeout: number;
  /** Everything else (`bpf-ct-timeout-regular-any`). */
  readonly anyTimeout: number;
  /** The same for service entries (`bpf-ct-timeout-service-tcp`, `-any`). */
  readonly serviceTcpTimeout: number;
  readonly serviceAnyTimeout: number;
  /** How long a SYN is not taken as a new flow after the service entry closed (`bpf-ct-timeout-service-tcp-grace`). */
  readonly serviceTcpGrace: number;
  /** TCP entries of which only SYNs were seen (`bpf-ct-timeout-regular-tcp-syn`). */
  readonly synTimeout: number;
  /** TCP entries closed from both sides (`bpf-ct-timeout-regular-tcp-fin`). */
  readonly finTimeout: number;
  /** Least time between reports of unchanged flags (`monitor-aggregation-interval`). */
  readonly reportInterval: number;
  /** TCP flags that are remembered and reported, 0..255 (`monitor-aggregation-flags`). */
  readonly reportFlags: number;
  /** Count packets and bytes (`bpf-conntrack-accounting`). */
  readonly accounting: boolean;
  /** Keep the loopback bit: only the pod programs are built with it. */
  readonly loopback: boolean;
  /** A RST closes both directions always (docs/fidelity.md); false: only before both sides were seen to send SYN. */
  readonly ctRstClosesBoth: boolean;
  /** Entries of the TCP table and of the table for all else (`bpf-ct-global-tcp-max`, `bpf-ct-global-any-max`). */
  readonly tcpMaxEntries: number;
  readonly anyMaxEntries: number;
}

/** The agent's own defaults (Helm sets `reportFlags` to 0xff and may size the tables by memory). */
export const DEFAULT_CONNTRACK_OPTIONS: ConntrackOptions = {
  tcpTimeout: 8000,
  anyTimeout: 60,
  serviceTcpTimeout: 8000,
  serviceAnyTimeout: 60,
  serviceTcpGrace: 60,
  synTimeout: 60,
  finTimeout: 10,
  reportInterval: 5,
  reportFlags: 0x07,
  accounting: false,
  loopback: false,
  ctRstClosesBoth: true,
  tcpMaxEntries: 524_288,
  anyMaxEntries: 262_144,
};

const SECONDS = [
  'tcpTimeout',
  'anyTimeout',
  'serviceTcpTimeout',
  'serviceAnyTimeout',
  'serviceTcpGrace',
  'synTimeout',
  'finTimeout',
  'reportInterval',
] as const;

/** Defaults filled in and numbers checked. @throws LbtwinError `invalid-option` */
export function resolveConntrackOptions(options: Partial<ConntrackOptions>): ConntrackOptions {
  const all = { ...DEFAULT_CONNTRACK_OPTIONS, ...options };
  for (const name of SECONDS) checkInteger(name, all[name], 0xffff_ffff);
  checkInteger('reportFlags', all.reportFlags, 0xff);
  checkInteger('tcpMaxEntries', all.tcpMaxEntries, MAX_ENTRIES, 1);
  checkInteger('anyMaxEntries', all.anyMaxEntries, MAX_ENTRIES, 1);
  return all;
}

function checkInteger(name: string, value: number, max: number, min = 0): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new LbtwinError('invalid-option', `${String(value)} is out of range`, {
    path: [name],
    allowed: `${min}..${max}`,
  });
}
