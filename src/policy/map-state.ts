import { HashTable } from '../hash/index.ts';
import { authOf, isAuthExplicit, isDeny, priorityOf, proxyPortOf } from './entry.ts';
import { maskPort, packL4, portOfL4, prefixOfL4, protoOfL4 } from './l4.ts';
import { Direction, PROTO_BITS } from './layout.ts';

/** Which kinds of rules a direction has: what has to be looked at when an entry is inserted. */
export interface Features {
  readonly denies: boolean;
  readonly redirects: boolean;
  readonly auths: boolean;
}

const NEXT = 1;
const MAX_ENTRIES = 1 << 24;

/**
 * The entries of one direction while they are computed. Inserting one applies precedence: denies and higher priorities push
 * entries that they cover out, and keep covered ones from coming in. Entries are packed words (`packEntry`), keys are an
 * identity and an l4 word without direction. Entries of one identity are chained, so that what a key covers is found at once.
 */
export class MapState {
  readonly #table: HashTable;
  readonly #heads = new HashTable({ kind: 'hash', keyWords: 1, valueWords: 1, maxEntries: MAX_ENTRIES });
  readonly #chains: boolean;
  readonly #key = new Uint32Array(2);
  readonly #identity = new Uint32Array(1);
  // Prefix lengths (0..24, one bit each) that entries have or had, under identity 0 and under others.
  #anyLengths = 0;
  #ownLengths = 0;

  /**
   * @param features of all insertions
   * @param reserve entries to take memory for at once
   */
  constructor(features: Features, reserve = 0) {
    this.#chains = features.denies || features.redirects || features.auths;
    this.#table = new HashTable({ kind: 'hash', keyWords: 2, valueWords: 2, maxEntries: MAX_ENTRIES, reserve });
  }

  get size(): number {
    return this.#table.size;
  }

  /** The entry of exactly this key, or -1. */
  get(identity: number, l4: number): number {
    const row = this.#row(identity, l4);
    return row < 0 ? -1 : this.#table.rows[this.#table.valueAt(row)]!;
  }

  /** Calls `visit` with every entry. */
  forEach(visit: (identity: number, l4: number, value: number) => void): void {
    const table = this.#table;
    for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
      const base = row * table.rowWords;
      visit(table.rows[base]!, table.rows[base + 1]!, table.rows[table.valueAt(row)]!);
    }
  }

  insert(identity: number, l4: number, value: number, features: Features): void {
    if (isDeny(value)) this.#insertDeny(identity, l4, value);
    else if (features.auths) this.#insertWithAuth(identity, l4, value);
    else if (!features.denies && !features.redirects) this.#add(identity, l4, value);
    else this.#insertAllow(identity, l4, value);
  }

  #insertDeny(identity: number, l4: number, value: number): void {
    if (this.#isKeptOut(identity, l4, true, 0)) return;
    this.#covered(identity, l4, (other, otherL4, found) => {
      if (!isDeny(found) || other !== identity || otherL4 !== l4) this.#delete(other, otherL4);
    });
    this.#add(identity, l4, value);
  }

  #insertAllow(identity: number, l4: number, value: number): void {
    const priority = priorityOf(value);
    if (this.#isKeptOut(identity, l4, false, priority)) return;
    if (priority > 0) {
      this.#covered(identity, l4, (other, otherL4, found) => {
        if (!isDeny(found) && priorityOf(found) < priority) this.#delete(other, otherL4);
      });
    }
    this.#add(identity, l4, value);
  }

  /** With authentication in the rules, only entries of the same identity are looked at, and auth types are inherited. */
  #insertWithAuth(identity: number, l4: number, given: number): void {
    let value = given;
    const explicit = isAuthExplicit(value);
    let inherited = false;
    for (const broaderL4 of broaderL4s(l4)) {
      const found = this.get(identity, broaderL4);
      if (found < 0) continue;
      if (isDeny(found)) return;
      if (priorityOf(found) > priorityOf(value)) {
        if (!explicit) return;
        value = withProxy(value, found);
        break;
      }
      if (!explicit && !inherited && broaderL4 !== l4 && isAuthExplicit(found)) {
        value = withAuth(value, authOf(found));
        inherited = true;
      }
    }
    let propagates = explicit;
    const rows: [l4: number, value: number][] = [];
    this.#coveredOf(identity, l4, (otherL4, found) => rows.push([otherL4, found]));
    rows.sort(([a], [b]) => prefixOfL4(a) - prefixOfL4(b) || a - b);
    for (const [otherL4, found] of rows) {
      let changed = found;
      if (!isDeny(found) && priorityOf(found) < priorityOf(value)) {
        if (!isAuthExplicit(found)) {
          this.#delete(identity, otherL4);
          continue;
        }
        changed = withProxy(found, value);
      }
      if (isDeny(found) || isAuthExplicit(found)) propagates = false;
      else if (propagates) changed = withAuth(changed, authOf(value));
      if (changed !== found) this.#put(identity, otherL4, changed);
    }
    this.#add(identity, l4, value);
  }

  /** Inserts or merges: a deny replaces an allow, never the other way round. */
  #add(identity: number, l4: number, value: number): void {
    const row = this.#row(identity, l4);
    if (row < 0) {
      this.#put(identity, l4, value);
      return;
    }
    const at = this.#table.valueAt(row);
    this.#table.rows[at] = mergeEntries(this.#table.rows[at]!, value);
  }

  /**
   * True if a broader or equal entry, under any identity or the same one, keeps the entry out: a deny under another key keeps a
   * deny out; a deny or a higher priority keeps an allow out.
   */
  #isKeptOut(identity: number, l4: number, deny: boolean, priority: number): boolean {
    const keepsOut = (found: number, same: boolean): boolean =>
      found >= 0 && (isDeny(found) ? !(deny && same) : !deny && priorityOf(found) > priority);
    const prefix = prefixOfL4(l4);
    let lengths = (this.#anyLengths | this.#ownLengths) & (2 * (1 << prefix) - 1);
    while (lengths !== 0) {
      const bits = 31 - Math.clz32(lengths);
      lengths ^= 1 << bits;
      const broader = bits === prefix ? l4 : packL4(Direction.INGRESS, bits, protoOfL4(l4), portOfL4(l4));
      if (
        ((this.#anyLengths >>> bits) & 1) === 1 &&
        keepsOut(this.get(0, broader), identity === 0 && bits === prefix)
      ) {
        return true;
      }
      if (identity === 0 || ((this.#ownLengths >>> bits) & 1) === 0) continue;
      if (keepsOut(this.get(identity, broader), bits === prefix)) return true;
    }
    return false;
  }

  /** Visits the entries whose l4 lies within `l4`: of all identities if `identity` is 0. Deleting on the way is fine. */
  #covered(identity: number, l4: number, visit: (identity: number, l4: number, value: number) => void): void {
    if (identity !== 0) {
      this.#coveredOf(identity, l4, (otherL4, value) => visit(identity, otherL4, value));
      return;
    }
    this.forEach((other, otherL4, value) => {
      if (covers(l4, otherL4)) visit(other, otherL4, value);
    });
  }

  #coveredOf(identity: number, l4: number, visit: (l4: number, value: number) => void): void {
    this.#identity[0] = identity;
    const head = this.#heads.find(this.#identity);
    if (head < 0) return;
    const table = this.#table;
    for (let link = this.#heads.rows[this.#heads.valueAt(head)]!; link !== 0;) {
      const row = link - 1;
      const at = table.valueAt(row);
      link = table.rows[at + NEXT]!;
      const otherL4 = table.rows[row * table.rowWords + 1]!;
      if (covers(l4, otherL4)) visit(otherL4, table.rows[at]!);
    }
  }

  #row(identity: number, l4: number): number {
    this.#key[0] = identity;
    this.#key[1] = l4;
    return this.#table.find(this.#key);
  }

  #put(identity: number, l4: number, value: number): void {
    this.#key[0] = identity;
    this.#key[1] = l4;
    const table = this.#table;
    let row = table.find(this.#key);
    if (row < 0) {
      row = table.create(this.#key);
      if (identity === 0) this.#anyLengths |= 1 << prefixOfL4(l4);
      else this.#ownLengths |= 1 << prefixOfL4(l4);
      if (this.#chains) this.#chain(identity, row);
    }
    table.rows[table.valueAt(row)] = value;
  }

  #chain(identity: number, row: number): void {
    this.#identity[0] = identity;
    const head = this.#heads.valueAt(this.#heads.upsert(this.#identity));
    this.#table.rows[this.#table.valueAt(row) + NEXT] = this.#heads.rows[head]!;
    this.#heads.rows[head] = row + 1;
  }

  #delete(identity: number, l4: number): void {
    const row = this.#row(identity, l4);
    const table = this.#table;
    this.#identity[0] = identity;
    const head = this.#heads.valueAt(this.#heads.find(this.#identity));
    const next = table.rows[table.valueAt(row) + NEXT]!;
    let link = this.#heads.rows[head]!;
    if (link === row + 1) this.#heads.rows[head] = next;
    else {
      while (table.rows[table.valueAt(link - 1) + NEXT] !== row + 1) link = table.rows[table.valueAt(link - 1) + NEXT]!;
      table.rows[table.valueAt(link - 1) + NEXT] = next;
    }
    table.deleteRow(row);
  }
}

/** True if every protocol and port of `inner` belongs to `outer`. */
export function covers(outer: number, inner: number): boolean {
  const bits = prefixOfL4(outer);
  if (bits === 0) return true;
  if (prefixOfL4(inner) < bits || protoOfL4(inner) !== protoOfL4(outer)) return false;
  return maskPort(portOfL4(inner), bits - PROTO_BITS) === portOfL4(outer);
}

/** The l4 words that cover `l4`, longest first, itself included. */
function broaderL4s(l4: number): number[] {
  const found = [l4];
  const proto = protoOfL4(l4);
  for (let bits = prefixOfL4(l4) - 1; bits >= PROTO_BITS; bits--) {
    found.push(packL4(Direction.INGRESS, bits, proto, portOfL4(l4)));
  }
  if (prefixOfL4(l4) > 0) found.push(0);
  return found;
}

const PROXY_MASK = 0x007fffff;

/** An entry with the proxy port and priority of another. */
const withProxy = (value: number, from: number): number => ((value & ~PROXY_MASK) | (from & PROXY_MASK)) >>> 0;

/** An entry with a derived auth type. */
const withAuth = (value: number, auth: number): number => ((value & 0x807fffff) | (auth << 23)) >>> 0;

function mergeEntries(known: number, added: number): number {
  if (isDeny(known)) return known;
  if (isDeny(added)) return added;
  const ahead = priorityOf(added) - priorityOf(known);
  const proxied =
    ahead > 0 || (ahead === 0 && proxyPortOf(added) < proxyPortOf(known)) ? withProxy(known, added) : known;
  const betterAuth =
    isAuthExplicit(added) === isAuthExplicit(known) ? authOf(added) > authOf(known) : isAuthExplicit(added);
  return betterAuth ? ((proxied & 0x807fffff) | (added & 0x7f800000)) >>> 0 : proxied;
}
