import { type HashSeeds, parseHashSeed } from '../hash/seed.ts';
import { prepareBackends, tableOf } from '../maglev/table.ts';
import type { MaglevTableSource } from '../lb/maglev-map.ts';
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
  readonly #build: () => Uint32Array;
  #table: Uint32Array | undefined;

  constructor(key: string, build: () => Uint32Array) {
    this.key = key;
    this.#build = build;
  }

  get table(): Uint32Array {
    this.#table ??= this.#build();
    return this.#table;
  }
}

/** Maglev tables, built once per set of backends and shared by all frontends that have the same. */
export class MaglevTables {
  readonly #size: number;
  readonly #seeds: HashSeeds;
  readonly #tables = new Map<string, Shared>();
  readonly #byUser = new Map<object, Shared>();
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
      shared = new Shared(key, () => this.#build(backends));
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

  #build(backends: readonly TableBackend[]): Uint32Array {
    const list = backends.map(({ id, at, weight }) => ({
      id,
      address: at.address,
      port: at.port,
      protocol: protocolName(at.protocol),
      scope: at.scope === 0 ? ('external' as const) : ('internal' as const),
      weight,
    }));
    return tableOf(prepareBackends(list, this.#seeds.murmur), this.#size);
  }
}

/** Ids are unique per address, so they and the weights say it all. */
function keyOf(backends: readonly TableBackend[]): string {
  let key = '';
  for (const { id, weight } of backends) key += `${id}:${weight},`;
  return key;
}
