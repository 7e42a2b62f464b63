import { LbtwinError } from '../errors.ts';

/** IP address family; also the number that parameterises everything which exists for IPv4 and IPv6. */
export type Family = 4 | 6;

/**
 * An IP address: one 32-bit word for IPv4, four for IPv6, most significant first, each an unsigned number
 * (`10.0.0.1` is `[0x0a000001]`). An IPv4-mapped IPv6 address stays IPv6. `zone` only where the text had one.
 */
export interface IpAddress {
  readonly family: Family;
  readonly words: readonly number[];
  readonly zone?: string;
}

/** Words per address: 1 for IPv4, 4 for IPv6. */
export const wordsOf = (family: Family): 1 | 4 => (family === 4 ? 1 : 4);

// Written out: a loop over one word, or four, takes several times what it does.

/** Copies an address of `words` words from `from[fromAt...]` to `to[toAt...]`. */
export function copyAddress(
  to: Uint32Array,
  toAt: number,
  from: ArrayLike<number>,
  fromAt: number,
  words: number,
): void {
  to[toAt] = from[fromAt]!;
  if (words === 1) return;
  to[toAt + 1] = from[fromAt + 1]!;
  to[toAt + 2] = from[fromAt + 2]!;
  to[toAt + 3] = from[fromAt + 3]!;
}

/**
 * Writes the words of an `IpAddress` to `to[toAt...]`. Not by the function above: one place that reads from arrays of many kinds is a slow one
 * for all of them.
 */
export function storeAddress(to: Uint32Array, toAt: number, address: readonly number[]): void {
  for (let i = 0; i < address.length; i++) to[toAt + i] = address[i]!;
}

/** Whether the addresses in `a[aAt...]` and `b[bAt...]` are the same. */
export function sameAddressAt(a: Uint32Array, aAt: number, b: ArrayLike<number>, bAt: number, words: number): boolean {
  if (a[aAt] !== b[bAt]) return false;
  if (words === 1) return true;
  return a[aAt + 1] === b[bAt + 1] && a[aAt + 2] === b[bAt + 2] && a[aAt + 3] === b[bAt + 3];
}

const DOT = 46;
const COLON = 58;
const ALLOWED = 'four decimal octets without leading zeros, or an IPv6 address';

/**
 * The IPv4 address in `text[from, to)` as an unsigned number, or -1 if it is none. Exactly four decimal octets, no leading
 * zeros: the other forms that C libraries take (octal, hexadecimal, short, one integer) are refused, as Kubernetes does.
 */
export function parseIpv4Word(text: string, from = 0, to: number = text.length): number {
  let word = 0;
  let octet = 0;
  let digits = 0;
  let octets = 0;
  for (let i = from; i < to; i++) {
    const c = text.charCodeAt(i);
    if (c === DOT) {
      if (digits === 0 || octets === 3) return -1;
      word = word * 256 + octet;
      octets++;
      octet = 0;
      digits = 0;
    } else {
      if (c < 48 || c > 57 || (digits > 0 && octet === 0)) return -1;
      octet = octet * 10 + c - 48;
      digits++;
      if (octet > 255) return -1;
    }
  }
  return octets === 3 && digits > 0 ? word * 256 + octet : -1;
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Writes the IPv6 address in `text[0, to)` to `out[at..at+3]`; false if it is none. */
export function parseIpv6Words(text: string, to: number, out: number[] | Uint32Array, at: number): boolean {
  const groups = [0, 0, 0, 0, 0, 0, 0, 0];
  let count = 0;
  let gap = -1;
  let i = 0;
  if (to >= 2 && text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return false;
    gap = 0;
    i = 2;
  }
  while (i < to) {
    if (count === 8) return false;
    let value = 0;
    let digits = 0;
    const start = i;
    for (; i < to; i++) {
      const digit = hexDigit(text.charCodeAt(i));
      if (digit < 0) break;
      value = value * 16 + digit;
      digits++;
      if (digits > 4) return false;
    }
    if (digits === 0) return false;
    if (i < to && text.charCodeAt(i) === DOT) {
      // A dotted IPv4 tail: the last two groups, and the end of the text.
      const word = count <= 6 ? parseIpv4Word(text, start, to) : -1;
      if (word < 0) return false;
      groups[count++] = word >>> 16;
      groups[count++] = word & 0xffff;
      i = to;
      break;
    }
    groups[count++] = value;
    if (i === to) break;
    if (text.charCodeAt(i) !== COLON) return false;
    i++;
    if (i === to) return false;
    if (text.charCodeAt(i) === COLON) {
      if (gap >= 0) return false;
      gap = count;
      i++;
    }
  }
  if (gap < 0 ? count !== 8 : count >= 8) return false;
  if (gap >= 0) {
    const tail = count - gap;
    for (let k = 0; k < tail; k++) groups[7 - k] = groups[count - 1 - k]!;
    for (let k = gap; k < 8 - tail; k++) groups[k] = 0;
  }
  for (let w = 0; w < 4; w++) out[at + w] = ((groups[2 * w]! << 16) | groups[2 * w + 1]!) >>> 0;
  return true;
}

/**
 * Parses an IP address as strictly as Kubernetes does. `010.0.0.1`, `10.1`, `2130706433`, `0x0a.1.1.1` are refused; so is a
 * zone (`fe80::1%eth0`) unless `zone: true`; a zone is printable ASCII.
 * @throws LbtwinError `invalid-address`
 */
export function parseAddress(text: string, options: { zone?: boolean } = {}): IpAddress {
  const address = tryParseAddress(text, options.zone === true);
  if (address === undefined) {
    throw new LbtwinError('invalid-address', `${JSON.stringify(text)} is not an IP address`, { allowed: ALLOWED });
  }
  return address;
}

/** Like `parseAddress`, but `undefined` for what is no address. */
export function tryParseAddress(text: string, zone = false): IpAddress | undefined {
  if (typeof text !== 'string') return undefined;
  if (!text.includes(':')) {
    const word = parseIpv4Word(text);
    return word < 0 ? undefined : { family: 4, words: [word] };
  }
  const percent = text.indexOf('%');
  if (percent >= 0 && !(zone && /^[\x21-\x7e]+$/.test(text.slice(percent + 1)))) return undefined;
  const words = [0, 0, 0, 0];
  if (!parseIpv6Words(text, percent < 0 ? text.length : percent, words, 0)) return undefined;
  return percent < 0 ? { family: 6, words } : { family: 6, words, zone: text.slice(percent + 1) };
}

const dotted = (word: number): string => `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;

/** An IPv6 address as text: RFC 5952, and IPv4-mapped addresses dotted (`::ffff:10.1.3.125`), as Go's netip prints them. */
function formatIpv6(words: ArrayLike<number>, at: number): string {
  const w0 = words[at]!;
  const w1 = words[at + 1]!;
  const w2 = words[at + 2]!;
  const w3 = words[at + 3]!;
  if (w0 === 0 && w1 === 0 && w2 === 0xffff) return `::ffff:${dotted(w3)}`;
  const groups = [w0 >>> 16, w0 & 0xffff, w1 >>> 16, w1 & 0xffff, w2 >>> 16, w2 & 0xffff, w3 >>> 16, w3 & 0xffff];
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    if (end > i) i = end;
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === best) {
      text += '::';
      i += bestLength - 1;
    } else {
      if (text !== '' && !text.endsWith('::')) text += ':';
      text += groups[i]!.toString(16);
    }
  }
  return text;
}

/** Prints words found at `at` in an array of addresses (`words` is in units of 32 bits). */
export function formatWords(family: Family, words: ArrayLike<number>, at = 0): string {
  return family === 4 ? dotted(words[at]!) : formatIpv6(words, at);
}

/** The canonical text of an address: what Go's netip prints, since this text is hashed. */
export function formatAddress(address: IpAddress): string {
  const text = formatWords(address.family, address.words);
  return address.zone === undefined ? text : `${text}%${address.zone}`;
}

/** Order of Go's netip: IPv4 before IPv6, then by value, then by zone. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  if (a.family !== b.family) return a.family - b.family;
  for (let i = 0; i < a.words.length; i++) {
    const difference = a.words[i]! - b.words[i]!;
    if (difference !== 0) return difference;
  }
  const za = a.zone ?? '';
  const zb = b.zone ?? '';
  return za < zb ? -1 : za > zb ? 1 : 0;
}

export const sameAddress = (a: IpAddress, b: IpAddress): boolean => compareAddresses(a, b) === 0;

/** True for `0.0.0.0` and `::`. */
export const isUnspecified = (address: IpAddress): boolean => address.words.every((word) => word === 0);
