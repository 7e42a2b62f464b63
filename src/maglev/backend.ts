import { LbtwinError, withPath } from '../errors.ts';
import { murmur3x64 } from '../hash/murmur3.ts';
import { formatAddress, formatWords, type IpAddress, parseAddress, parseIpv4Word } from '../net/address.ts';
import { checkPort } from '../net/endpoint.ts';

/** A backend as a Maglev table knows it (docs/maglev.md). */
export interface MaglevBackend {
  /** What the table holds: 0..4294967294. */
  readonly id: number;
  /** Address text or a parsed address; an IPv4-mapped IPv6 address stays what it is. */
  readonly address: string | IpAddress;
  /** 0..65535 */
  readonly port: number;
  /** Upper case: `TCP`, `UDP`, `SCTP`, `ANY` or `NONE`. */
  readonly protocol: string;
  /** Backends that come from EndpointSlices are always `external`, the default. */
  readonly scope?: 'external' | 'internal';
  /** 0..65535; 100, as Kubernetes backends have, if absent. */
  readonly weight?: number;
  /** ClusterMesh cluster the address belongs to; 0, the default, adds nothing to the hashed text. */
  readonly clusterId?: number;
}

export const DEFAULT_WEIGHT = 100;

const PROTOCOLS = ['TCP', 'UDP', 'SCTP', 'ANY', 'NONE'];

/** @throws LbtwinError `invalid-address` */
export const parsedAddress = (address: string | IpAddress): IpAddress =>
  typeof address === 'string' ? parseAddress(address, { zone: true }) : address;

function addressText(address: string | IpAddress): { text: string; ipv6: boolean } {
  if (typeof address === 'string' && parseIpv4Word(address) >= 0) return { text: address, ipv6: false };
  const parsed = parsedAddress(address);
  return { text: formatAddress(parsed), ipv6: parsed.family === 6 };
}

/**
 * The text whose hash places a backend in the table; it never changes while a backend lives, whatever its state. Tables of
 * different nodes agree because nothing node-local (id, name) is part of it.
 * @throws LbtwinError `invalid-address`, `invalid-port`, `unknown-protocol`, `invalid-scope`, `invalid-cluster-id`
 */
export function backendHashString(backend: MaglevBackend): string {
  const { text, ipv6 } = withPath(['address'], () => addressText(backend.address));
  const port = withPath(['port'], () => checkPort(backend.port));
  if (!PROTOCOLS.includes(backend.protocol)) {
    throw new LbtwinError('unknown-protocol', `${JSON.stringify(backend.protocol)} is not a backend protocol`, {
      path: ['protocol'],
      allowed: PROTOCOLS.join(', '),
    });
  }
  const { scope = 'external', clusterId = 0 } = backend;
  if (scope !== 'external' && scope !== 'internal') {
    throw new LbtwinError('invalid-scope', `${JSON.stringify(scope)} is not a scope`, {
      path: ['scope'],
      allowed: 'external or internal',
    });
  }
  if (!Number.isInteger(clusterId) || clusterId < 0 || clusterId > 0xffffffff) {
    throw new LbtwinError('invalid-cluster-id', `${JSON.stringify(clusterId)} is not a cluster id`, {
      path: ['clusterId'],
      allowed: '0..4294967295',
    });
  }
  const host = clusterId === 0 ? text : `${text}@${clusterId}`;
  return `[${ipv6 ? `[${host}]` : host}:${port}/${backend.protocol}${scope === 'internal' ? '/i' : ''},State:active]`;
}

/** The same text from packed words, for callers that hold backends in tables. `protocol` is the upper-case name. */
export function hashStringOfWords(
  family: 4 | 6,
  words: ArrayLike<number>,
  at: number,
  port: number,
  protocol: string,
): string {
  const text = formatWords(family, words, at);
  return `[${family === 6 ? `[${text}]` : text}:${port}/${protocol},State:active]`;
}

/** Words of hash per backend: h1 high, h1 low, h2 high, h2 low. */
export const HASH_WORDS = 4;

let scratch = new Uint8Array(128);
const hashed = new Uint32Array(HASH_WORDS);

/** Hashes a backend's text, which is ASCII, into `out[at..at+3]`. It depends on the seed but not on the table size. */
export function hashBackendText(text: string, murmurSeed: number, out: Uint32Array, at: number): void {
  const { length } = text;
  if (length > scratch.length) scratch = new Uint8Array(2 * length);
  for (let i = 0; i < length; i++) scratch[i] = text.charCodeAt(i);
  murmur3x64(scratch, length, murmurSeed, hashed);
  for (let i = 0; i < HASH_WORDS; i++) out[at + i] = hashed[i]!;
}

/** A 64-bit value in two halves modulo `m`; exact below 2^53 for every table size. */
const mod64 = (hi: number, lo: number, m: number): number => ((hi % m) * 0x1_0000_0000 + lo) % m;

/** The slot a backend asks for first: 0..tableSize-1. */
export const offsetOf = (hashes: Uint32Array, at: number, tableSize: number): number =>
  mod64(hashes[at]!, hashes[at + 1]!, tableSize);

/** The step from one slot of its list to the next: 1..tableSize-1. */
export const skipOf = (hashes: Uint32Array, at: number, tableSize: number): number =>
  mod64(hashes[at + 2]!, hashes[at + 3]!, tableSize - 1) + 1;
