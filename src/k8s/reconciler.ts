import { BackendState, ServiceFlag } from '../lb/layout.ts';
import type { LbMaps } from '../lb/maps.ts';
import { formatAddress, type IpAddress, isUnspecified } from '../net/address.ts';
import { type Cidr, formatCidr, maskCidr } from '../net/cidr.ts';
import { flagsOf, affinityOf, masterUnion, refuseCombination, usesMaglev, writesSourceRanges } from './flags.ts';
import { IdAllocator } from './ids.ts';
import { pruneMaps, readLeftovers } from './leftovers.ts';
import { MaglevTables } from './maglev-tables.ts';
import { type FaultSource, MapWriteError, MapWriter } from './map-writer.ts';
import { L4Table } from './l4-table.ts';
import { type Backend, type Frontend, type Instance, ScopedAddress, type Service } from './model.ts';
import type { ControlPlaneOptions } from './options.ts';
import { isFamilyEnabled } from './services.ts';
import { differs } from './profile.ts';
import { isPreferred } from './select.ts';
import { arrangeSlots, arrangeSlotsById, type Quarantine, type Slots } from './slots.ts';

/** What the maps hold for one address: a frontend's own or, for a wildcard one, that of the node. */
interface MapFrontend {
  at: ScopedAddress;
  readonly id: number;
  /** Highest slot that may have been written. */
  slots: number;
  /** Instances of the backends that it counts for; what else they say may be of an earlier time. */
  held: readonly Instance[];
  ranges: readonly Cidr[];
  usesMaglev: boolean;
}

const NO_RANGES: readonly Cidr[] = Object.freeze([]);
const NO_INSTANCES: readonly Instance[] = Object.freeze([]);

/** Whether the map entries of this frontend are repeated for each address of the node. */
export const isWildcard = (frontend: Frontend): boolean =>
  (frontend.type === 'NodePort' || frontend.type === 'HostPort') && isUnspecified(frontend.address);

/** How a reconciliation went. */
export interface ReconcileResult {
  /** Frontends brought up to date or removed. */
  readonly done: number;
  /** Frontends whose update a map refused; they are tried again with the next reconciliation. */
  readonly failed: readonly Frontend[];
}

/**
 * Brings the maps in line with frontends, one at a time and idempotently (docs/control-plane.md, "Map contents"). What it knows
 * of the maps is keyed by full address; a refused write leaves it able to carry on where it stopped.
 */
export class Reconciler {
  readonly writer: MapWriter;
  readonly serviceIds: IdAllocator;
  readonly backendIds: IdAllocator;
  readonly maglev: MaglevTables;
  readonly #options: ControlPlaneOptions;
  readonly #frontends = new L4Table<MapFrontend>();
  /** Told when a backend has left the maps. */
  readonly #onBackendGone: (backend: Backend) => void;
  /** Backends, by frontend, that an earlier agent had taken out of selection. */
  readonly #quarantined = new Map<string, Set<string>>();
  /** Addresses of the node that wildcard frontends have entries for. */
  readonly #copies = new Map<string, readonly IpAddress[]>();
  #nodeAddresses: readonly IpAddress[] = [];

  constructor(
    maps: LbMaps,
    options: ControlPlaneOptions,
    fault?: FaultSource,
    onBackendGone: (backend: Backend) => void = () => {},
  ) {
    this.#onBackendGone = onBackendGone;
    this.#options = options;
    this.writer = new MapWriter(maps, fault);
    this.serviceIds = new IdAllocator(options.maxServiceId);
    this.backendIds = new IdAllocator(options.maxBackendId);
    this.maglev = new MaglevTables(options.maglevTableSize, options.maglevHashSeed);
  }

  get nodeAddresses(): readonly IpAddress[] {
    return this.#nodeAddresses;
  }

  /** Addresses of the node that wildcard frontends get entries for, in the order of their ids. */
  setNodeAddresses(addresses: readonly IpAddress[]): void {
    this.#nodeAddresses = addresses;
  }

  /** Service id of a frontend's own map entries; 0 when it has none. */
  idOf(at: ScopedAddress): number {
    return this.#frontends.get(at)?.id ?? 0;
  }

  /** Addresses and ids under which a frontend is in the maps, its own first. */
  entriesOf(frontend: Frontend): { readonly key: string; readonly id: number }[] {
    const all: ScopedAddress[] = [frontend];
    if (isWildcard(frontend)) {
      for (const address of this.#copies.get(this.#memoryOf(frontend)) ?? []) all.push(copyOf(frontend, address));
    }
    return all.map((at) => ({ key: at.key, id: this.idOf(at) })).filter(({ id }) => id !== 0);
  }

  /** Frontends for which an earlier agent's quarantine still counts. */
  get quarantineCount(): number {
    return this.#quarantined.size;
  }

  /** Updates one frontend. @throws MapWriteError */
  update(frontend: Frontend, service: Service, instances: readonly Instance[]): void {
    if (!isFamilyEnabled(frontend.address.family, this.#options)) return;
    refuseCombination(frontend, service, this.#options);
    const own = this.#acquireFrontend(frontend);
    own.at = frontend;
    this.#write(own, frontend, service, instances);
    if (!isWildcard(frontend)) return;
    const memory = this.#memoryOf(frontend);
    const gone = new Map((this.#copies.get(memory) ?? []).map((address) => [formatAddress(address), address]));
    const wanted = this.#nodeAddresses.filter(({ family }) => family === frontend.address.family);
    this.#copies.set(memory, [...gone.values(), ...wanted]);
    for (const address of wanted) {
      gone.delete(formatAddress(address));
      const copy = this.#acquireFrontend(copyOf(frontend, address));
      this.#write(copy, frontend, service, instances);
    }
    for (const address of gone.values()) this.#removeAt(copyOf(frontend, address));
    if (wanted.length === 0) this.#copies.delete(memory);
    else this.#copies.set(memory, wanted);
  }

  /** Removes a frontend's entries. @throws MapWriteError */
  remove(at: ScopedAddress): void {
    this.#removeAt(at);
    if (!isUnspecified(at.address)) return;
    const memory = this.#memoryOf(at);
    for (const address of this.#copies.get(memory) ?? []) this.#removeAt(copyOf(at, address));
    this.#copies.delete(memory);
  }

  /** Under which name the node's addresses that a wildcard frontend has entries for are remembered. */
  #memoryOf(at: ScopedAddress): string {
    return this.#options.defects.has('node-port-memory') ? `${at.address.family} ${at.port}` : at.key;
  }

  #removeAt(at: ScopedAddress): void {
    const target = this.#frontends.get(at);
    if (target === undefined) return;
    this.#remove(target);
    this.#frontends.delete(at);
    this.serviceIds.release(target.id);
  }

  #acquireFrontend(at: ScopedAddress): MapFrontend {
    const known = this.#frontends.get(at);
    if (known !== undefined) return known;
    const id = this.serviceIds.acquire(at);
    if (id === 0) throw new MapWriteError('no service id left');
    const made: MapFrontend = {
      at,
      id,
      slots: 0,
      held: NO_INSTANCES,
      ranges: NO_RANGES,
      usesMaglev: false,
    };
    this.#frontends.set(at, made);
    return made;
  }

  #write(target: MapFrontend, frontend: Frontend, service: Service, instances: readonly Instance[]): void {
    const { writer } = this;
    const { at, id } = target;
    const isQuarantined = this.#quarantineOf(target, instances);
    const flags = flagsOf(frontend, service, at, this.#options);
    this.#dropOrphans(target, instances);
    const slots = differs(this.#options.profile, 'slots-by-id')
      ? this.#arrangeById(target, service, instances, isQuarantined)
      : arrangeSlots(instances, isQuarantined);
    this.#writeSlots(target, frontend, service, slots, flags);
    this.#writeMaglev(target, frontend, service, slots);
    this.#writeRanges(target, writesSourceRanges(frontend, service, this.#options) ? service.sourceRanges : NO_RANGES);
    writer.setReverseNat(id, at.address, at.port);
    writer.setService(at, 0, {
      union: masterUnion(frontend, service, this.#options),
      count: slots.count,
      revNatIndex: id,
      flags,
      qcount: slots.qcount,
    });
    const last = slots.backends.length;
    for (let slot = last + 1; slot <= target.slots; slot++) writer.deleteService(at, slot);
    target.slots = last;
  }

  /** Tells the backends that an earlier agent had taken out and no health check has told of since. */
  #quarantineOf(target: MapFrontend, instances: readonly Instance[]): Quarantine {
    const quarantined = this.#quarantined.size === 0 ? undefined : this.#quarantined.get(target.at.key);
    if (quarantined === undefined) return undefined;
    for (const instance of instances) if (instance.healthKnown) quarantined.delete(instance.backend.key);
    if (quarantined.size === 0) this.#quarantined.delete(target.at.key);
    return (instance) => quarantined.has(instance.backend.key);
  }

  #arrangeById(
    target: MapFrontend,
    service: Service,
    instances: readonly Instance[],
    isQuarantined: Quarantine,
  ): Slots {
    this.#hold(target, instances, () => {});
    return arrangeSlotsById(instances, isQuarantined, (instance) => isPreferred(instance, service));
  }

  #dropOrphans(target: MapFrontend, wanted: readonly Instance[]): void {
    if (target.held.length === 0 || target.held === wanted) return;
    const backends = new Set(wanted.map(({ backend }) => backend));
    this.#release(target, false, (backend) => !backends.has(backend));
  }

  /**
   * Lets go of backends: those that nobody else lists leave the maps with their ids. The affinity match of one that others list stays
   * behind unless the frontend itself goes, as with the agent (docs/fidelity.md).
   */
  #release(target: MapFrontend, leaving: boolean, isGone: (backend: Backend) => boolean): void {
    const { writer } = this;
    const { held } = target;
    const kept: Instance[] = [];
    let done = 0;
    try {
      for (const instance of held) {
        const { backend } = instance;
        if (!isGone(backend)) kept.push(instance);
        else {
          if (backend.users === 1) {
            if (this.#quarantined.size > 0) this.#endQuarantine(target.at.key, backend.key);
            writer.deleteBackend(backend.address.family, backend.id);
          }
          if (leaving || backend.users === 1) writer.deleteAffinityMatch(target.id, backend.id);
          this.#letGo(backend);
        }
        done++;
      }
    } finally {
      target.held = [...kept, ...held.slice(done)];
    }
  }

  #letGo(backend: Backend): void {
    backend.users--;
    if (backend.users > 0) return;
    this.backendIds.release(backend.id);
    backend.id = 0;
    backend.writtenRevision = -1;
    this.#onBackendGone(backend);
  }

  /**
   * Counts a frontend for these backends, each right before its `write`; a backend that nobody had gets its id. What the frontend holds is
   * in these backends or comes on top.
   */
  #hold(target: MapFrontend, instances: readonly Instance[], write: (instance: Instance, slot: number) => void): void {
    const before = target.held;
    const known = before.length === 0 ? undefined : new Set(before.map(({ backend }) => backend));
    let done = 0;
    try {
      for (const instance of instances) {
        const { backend } = instance;
        if (backend.users === 0) backend.id = this.#newBackendId(backend);
        if (known?.has(backend) !== true) backend.users++;
        done++;
        write(instance, done);
      }
    } finally {
      target.held = heldAfter(before, done === instances.length ? instances : instances.slice(0, done));
    }
  }

  #newBackendId(backend: Backend): number {
    const id = this.backendIds.acquire(backend);
    if (id === 0) throw new MapWriteError('no backend id left');
    return id;
  }

  #writeSlots(target: MapFrontend, frontend: Frontend, service: Service, slots: Slots, flags: number): void {
    const { writer } = this;
    const { at, id } = target;
    const withAffinity = this.#options.sessionAffinity && affinityOf(frontend, service, this.#options) !== undefined;
    const value = { union: 0, count: 0, revNatIndex: id, flags, qcount: 0 };
    const bare = differs(this.#options.profile, 'slots-by-id');
    const active = slots.backends.length - slots.qcount;
    const { fixedZoneMapping } = this.#options;
    this.#hold(target, slots.backends, ({ backend, state, zone: name }, slot) => {
      if (backend.writtenRevision < backend.revision) {
        const { address, port, protocol } = backend;
        const zone = name === '' ? 0 : (fixedZoneMapping[name] ?? 0);
        writer.setBackend(backend.id, { address, port, protocol, state, clusterId: 0, zone });
        backend.writtenRevision = backend.revision;
      }
      if (slot > target.slots) target.slots = slot;
      value.union = backend.id;
      if (bare) value.flags = slot <= active ? 0 : ServiceFlag.QUARANTINED;
      writer.setService(at, slot, value);
      if (withAffinity && state === BackendState.ACTIVE) writer.addAffinityMatch(id, backend.id);
      else writer.deleteAffinityMatch(id, backend.id);
    });
  }

  #writeMaglev(target: MapFrontend, frontend: Frontend, service: Service, slots: Slots): void {
    const { family } = target.at.address;
    target.usesMaglev = usesMaglev(frontend, service, target.at, this.#options);
    if (slots.count > 0 && target.usesMaglev) {
      const backends = slots.backends
        .slice(0, slots.count)
        .map(({ backend, weight }) => ({ id: backend.id, at: backend, weight }));
      this.writer.setMaglev(family, target.id, this.maglev.acquire(target, backends));
    } else if (target.usesMaglev || !this.#options.defects.has('maglev-table-left')) {
      this.writer.deleteMaglev(family, target.id);
      this.maglev.release(target);
    }
  }

  /** Adds, then removes: two ranges with one masked prefix are one entry, which stays while either is wanted. */
  #writeRanges(target: MapFrontend, wanted: readonly Cidr[]): void {
    if (wanted.length === 0 && target.ranges.length === 0) return;
    const { family } = target.at.address;
    const own = wanted.filter((cidr) => cidr.address.family === family);
    const old = target.ranges;
    target.ranges = [...old, ...own];
    for (const cidr of own) this.writer.addSourceRange(target.id, cidr);
    const text = this.#options.defects.has('equal-source-ranges') ? formatCidr : maskedText;
    const kept = new Set(own.map(text));
    for (const cidr of old) if (!kept.has(text(cidr))) this.writer.deleteSourceRange(target.id, cidr);
    target.ranges = own;
  }

  #remove(target: MapFrontend): void {
    const { writer } = this;
    const { at, id } = target;
    const { family } = at.address;
    this.#quarantined.delete(at.key);
    if (target.usesMaglev || !this.#options.defects.has('maglev-table-left')) writer.deleteMaglev(family, id);
    this.maglev.release(target);
    this.#release(target, true, () => true);
    for (let slot = 0; slot <= target.slots; slot++) writer.deleteService(at, slot);
    writer.deleteReverseNat(family, id);
    for (const cidr of target.ranges) writer.deleteSourceRange(id, cidr);
    target.ranges = NO_RANGES;
  }

  /** Takes over what an earlier agent left in the maps: ids by address, quarantined backends. */
  restore(): void {
    const left = readLeftovers(this.writer.maps);
    for (const [key, id] of left.serviceIds) this.serviceIds.restore(key, id);
    for (const [key, id] of left.backendIds) this.backendIds.restore(key, id);
    for (const [key, backends] of left.quarantined) this.#quarantined.set(key, backends);
  }

  /** Removes from the maps what no frontend accounts for. @throws MapWriteError */
  prune(): void {
    this.serviceIds.releaseUnclaimed();
    this.backendIds.releaseUnclaimed();
    const targets = [...this.#frontends.values()];
    pruneMaps(this.writer, {
      slotsOf: (at) => this.#frontends.get(at)?.slots ?? -1,
      ranges: new Map(targets.map(({ id, ranges }) => [id, ranges])),
      backends: new Map(targets.flatMap(({ held }) => held.map(({ backend }) => [backend.id, backend.key]))),
      onStaleSlot: (at, backend) => this.#endQuarantine(at.key, backend),
    });
  }

  /** A backend that has left a frontend is as good as a new one when it comes back. */
  #endQuarantine(frontend: string, backend: string): void {
    const quarantined = this.#quarantined.get(frontend);
    if (quarantined?.delete(backend) === true && quarantined.size === 0) this.#quarantined.delete(frontend);
  }
}

/**
 * What is held after some more backends, in the order in which they came. It is the list of the new ones where that says it all: then frontend,
 * service and slice have one between them.
 */
function heldAfter(before: readonly Instance[], reached: readonly Instance[]): readonly Instance[] {
  if (before.every(({ backend }, i) => reached[i]?.backend === backend)) return reached;
  const now = new Map(reached.map((one) => [one.backend, one]));
  const kept = before.map((one) => now.get(one.backend) ?? one);
  for (const { backend } of before) now.delete(backend);
  return [...kept, ...now.values()];
}

/** A wildcard frontend's address on one of the node's. */
const copyOf = (of: ScopedAddress, address: IpAddress): ScopedAddress =>
  new ScopedAddress(address, of.port, of.protocol, of.scope);

const maskedText = (cidr: Cidr): string => formatCidr(maskCidr(cidr));
