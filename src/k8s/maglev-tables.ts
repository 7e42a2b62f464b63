import { type HashSeeds, parseHashSeed } from '../hash/seed.ts';
import { Scope } from '../lb/layout.ts';
import type { MaglevTableSource } from '../lb/maglev-map.ts';
import { backendHashString } from '../maglev/backend.ts';
import { type PreparedBackends, prepareNamed, tableOf } from '../maglev/table.ts';
import { protocolName } from '../net/protocol.ts';
import type { ScopedAddress } from './model.ts';

/** One backend in a table. */
export interface TableBackend {
  readonly id: number;
  readonly at: ScopedAddress;
  readonly weight: number;
}

/** A table that several frontends may share, filled when it is first looked at. */
class Shared implements MaglevTableSource {
  readonly key: string;
  users = 0;
  /** Hashes of its backends; until it is filled, those of the table that it replaced. */
  prepared: PreparedBackends | undefined;
  readonly #prepare: (before: PreparedBackends | undefined) => PreparedBackends;
  readonly #size: number;
  #table: Uint32Array | undefined;

  constructor(
    key: string,
    size: number,
    before: PreparedBackends | undefined,
    prepare: (before: PreparedBackends | undefined) => PreparedBackends,
  ) {
    this.key = key;
    this.#size = size;
    this.prepared = before;
    this.#prepare = prepare;
  }

  get table(): Uint32Array {
    if (this.#table === undefined) {
      this.prepared = this.#prepare(this.prepared);
      this.#table = tableOf(this.prepared, this.#size);
    }
    return this.#table;
  }
}

/** Maglev tables, built once per set of backends and shared by all frontends that have the same. */
export class MaglevTables {
  readonly #size: number;
  readonly #seeds: HashSeeds;
  readonly #tables = new Map<string, Shared>();
  readonly #byUser = new Map<object, Shared>();
  /** Texts that backends are hashed by: a backend is in many tables, and in each anew when another one changes. */
  readonly #texts = new WeakMap<ScopedAddress, string>();
  /** Tables defined so far; each is filled when it is first looked at. */
  built = 0;

  constructor(tableSize: number, hashSeed: string) {
    this.#size = tableSize;
    this.#seeds = parseHashSeed(hashSeed);
  }

  /** The table of these backends, held for `user` until it asks for another or releases it. */
  acquire(user: object, backends: readonly TableBackend[]): MaglevTableSource {
    const key = keyOf(backends);
    const held = this.#byUser.get(user);
    if (held?.key === key) return held;
    let shared = this.#tables.get(key);
    if (shared === undefined) {
      this.built++;
      shared = new Shared(key, this.#size, held?.prepared, (before) => this.#prepare(backends, before));
      this.#tables.set(key, shared);
    }
    shared.users++;
    this.release(user);
    this.#byUser.set(user, shared);
    return shared;
  }

  release(user: object): void {
    const held = this.#byUser.get(user);
    if (held === undefined) return;
    this.#byUser.delete(user);
    held.users--;
    if (held.users === 0) this.#tables.delete(held.key);
  }

  #prepare(backends: readonly TableBackend[], before: PreparedBackends | undefined): PreparedBackends {
    const named = backends.map(({ id, at, weight }) => ({ id, weight, text: this.#textOf(at) }));
    return prepareNamed(named, this.#seeds.murmur, before);
  }

  #textOf(at: ScopedAddress): string {
    let text = this.#texts.get(at);
    if (text === undefined) {
      const { address, port, protocol, scope } = at;
      text = backendHashString({
        id: 0,
        address,
        port,
        protocol: protocolName(protocol),
        scope: scope === Scope.EXTERNAL ? 'external' : 'internal',
      });
      this.#texts.set(at, text);
    }
    return text;
  }
}

/** Ids are unique per address, so they and the weights say it all. */
function keyOf(backends: readonly TableBackend[]): string {
  let key = '';
  for (const { id, weight } of backends) key += `${id}:${weight},`;
  return key;
}
