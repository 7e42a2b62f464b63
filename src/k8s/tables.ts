import { L4Table } from './l4-table.ts';
import { type Defect, NO_DEFECTS } from './defects.ts';
import {
  Backend,
  compareText,
  Frontend,
  type FrontendType,
  type Instance,
  type ProxyRedirect,
  type ScopedAddress,
  type Service,
  ServiceEntry,
  type Source,
  tableOrder,
} from './model.ts';
import { withInstances } from './instance-order.ts';
import { EMPTY_LIST } from './objects/fields.ts';

/** A frontend that a service wants. */
export interface FrontendSpec {
  readonly at: ScopedAddress;
  readonly type: FrontendType;
  readonly portName: string;
  readonly servicePort: number;
}

/** A backend that a service gets from a source. */
export interface InstanceSpec {
  readonly at: ScopedAddress;
  readonly portNames: readonly string[];
  readonly weight: number;
  readonly nodeName: string;
  readonly zone: string;
  readonly forZones: readonly string[];
  readonly clusterId: number;
  readonly state: number;
}

const newBackend = (at: ScopedAddress): Backend => new Backend(at);

/** One service claims an address that another one has: the whole change is refused. */
export interface AddressConflict {
  readonly address: string;
  readonly owner: string;
}

/**
 * The tables of the control plane: services with their frontends, and backends with what each service sees in them. Every change
 * marks the frontends it concerns; `takeDirty` gives them to the reconciler in the order of their last change.
 */
export class Tables {
  readonly #entries = new Map<string, ServiceEntry>();
  readonly #frontends = new L4Table<Frontend>();
  readonly #backends = new L4Table<Backend>();
  /** Deleted frontends whose map entries are still there, by address: an address that comes back takes them over. */
  readonly #leaving = new L4Table<Frontend>();
  /** In the order of their changes; only the latest place of a frontend, `dirtyAt`, counts. */
  #dirty: Frontend[] = [];
  #dirtyCount = 0;
  readonly #defects: ReadonlySet<Defect>;

  constructor(defects: ReadonlySet<Defect> = NO_DEFECTS) {
    this.#defects = defects;
  }

  entry(name: string): ServiceEntry | undefined {
    return this.#entries.get(name);
  }

  frontend(at: ScopedAddress): Frontend | undefined {
    return this.#frontends.get(at);
  }

  backend(at: ScopedAddress): Backend | undefined {
    return this.#backends.get(at);
  }

  /** Service rows in the order of their names. */
  services(): ServiceEntry[] {
    return [...this.#entries.values()]
      .filter((entry) => entry.service !== undefined)
      .sort((a, b) => compareText(a.name, b.name));
  }

  /** Frontend rows in table order. */
  frontends(): Frontend[] {
    return [...this.#frontends.values()].sort(tableOrder);
  }

  /** Backend rows in table order. */
  backends(): Backend[] {
    return [...this.#backends.values()].filter((row) => row.first !== undefined).sort(tableOrder);
  }

  /** Forgets what the maps hold of every backend, as a new agent does. */
  resetBackends(): void {
    for (const backend of this.#backends.values()) {
      backend.id = 0;
      backend.users = 0;
      backend.writtenRevision = -1;
      this.dropBackend(backend);
    }
  }

  /** Removes a row that no service and no map entry stands for. */
  dropBackend(backend: Backend): void {
    if (backend.first === undefined && backend.users === 0 && this.#backends.get(backend) === backend) {
      this.#backends.delete(backend);
    }
  }

  /** Frontends in no particular order. */
  allFrontends(): Iterable<Frontend> {
    return this.#frontends.values();
  }

  entryOf(name: string): ServiceEntry {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      entry = new ServiceEntry(name);
      this.#entries.set(name, entry);
    }
    return entry;
  }

  /** Forgets a service of which nothing is left. */
  dropIfEmpty(entry: ServiceEntry): void {
    if (
      entry.service === undefined &&
      entry.frontends.length === 0 &&
      entry.instances.length === 0 &&
      entry.redirectedFrom === undefined &&
      entry.slices === undefined &&
      entry.proxyRedirect === undefined
    ) {
      this.#entries.delete(entry.name);
    }
  }

  /** First conflict of the wanted frontends with frontends of other services. */
  conflictOf(name: string, frontends: readonly FrontendSpec[]): AddressConflict | undefined {
    for (const { at } of frontends) {
      const owner = this.#frontends.get(at)?.entry;
      if (owner !== undefined && owner.name !== name) return { address: at.key, owner: owner.name };
    }
    return undefined;
  }

  /**
   * Sets a service and its frontends, in the order given; frontends no longer wanted go. Refused as a whole, with the conflict as the
   * answer, when another service has one of the addresses.
   */
  upsertService(service: Service, frontends: readonly FrontendSpec[]): AddressConflict | undefined {
    return this.upsertServiceOf(this.entryOf(service.name), service, frontends);
  }

  upsertServiceOf(
    entry: ServiceEntry,
    service: Service,
    frontends: readonly FrontendSpec[],
  ): AddressConflict | undefined {
    const conflict = this.conflictOf(entry.name, frontends);
    if (conflict !== undefined) {
      this.dropIfEmpty(entry);
      return conflict;
    }
    entry.service = service;
    const before = entry.frontends;
    if (frontends.length === 1) {
      entry.frontends = [this.#upsertFrontend(entry, frontends[0]!)];
    } else {
      // Several may stand for one address; the last one does.
      const rows = frontends.map((spec) => this.#upsertFrontend(entry, spec));
      entry.frontends = [...new Set(rows)].filter((row) => this.#frontends.get(row) === row).sort(tableOrder);
    }
    this.#deleteUnwanted(before, entry.frontends);
    return undefined;
  }

  #deleteUnwanted(before: readonly Frontend[], after: readonly Frontend[]): void {
    if (before.length === 0) return;
    const wanted = new Set(after);
    for (const frontend of before) {
      const now = this.#frontends.get(frontend);
      if (now === undefined || !wanted.has(now)) this.#deleteFrontend(frontend);
    }
  }

  #upsertFrontend(entry: ServiceEntry, spec: FrontendSpec): Frontend {
    const { at, type, portName, servicePort } = spec;
    let frontend = this.#frontends.get(at);
    if (
      frontend === undefined ||
      frontend.type !== type ||
      frontend.portName !== portName ||
      frontend.servicePort !== servicePort
    ) {
      const old = frontend;
      frontend = new Frontend(at, type, entry, portName, servicePort);
      if (old !== undefined) {
        const target = old.redirectTo;
        this.redirect(frontend, target);
        this.redirect(old, undefined);
        this.#clean(old);
      }
      this.#frontends.set(at, frontend);
      const leaving = this.#leaving.get(at);
      if (leaving !== undefined) {
        this.#leaving.delete(at);
        this.#clean(leaving);
      }
    }
    this.touch(frontend);
    return frontend;
  }

  #deleteFrontend(frontend: Frontend): void {
    this.redirect(frontend, undefined);
    this.#frontends.delete(frontend);
    frontend.deleted = true;
    this.#leaving.set(frontend, frontend);
    this.touch(frontend);
  }

  /** Deletes a service and its frontends; its backends stay. */
  deleteService(name: string): void {
    const entry = this.#entries.get(name);
    if (entry?.service === undefined) return;
    entry.service = undefined;
    for (const frontend of entry.frontends) this.#deleteFrontend(frontend);
    entry.frontends = [];
    this.dropIfEmpty(entry);
  }

  /** Marks a frontend as changed now. */
  touch(frontend: Frontend): void {
    if (frontend.dirtyAt < 0) this.#dirtyCount++;
    frontend.dirtyAt = this.#dirty.length;
    this.#dirty.push(frontend);
  }

  #clean(frontend: Frontend): void {
    if (frontend.dirtyAt < 0) return;
    frontend.dirtyAt = -1;
    this.#dirtyCount--;
  }

  /** Marks all frontends that take their backends from `entry` or belong to it. */
  touchService(entry: ServiceEntry): void {
    for (const frontend of entry.frontends) this.touch(frontend);
    if (entry.redirectedFrom === undefined) return;
    for (const frontend of [...entry.redirectedFrom].sort(tableOrder)) this.touch(frontend);
  }

  /** The changed frontends, in the order of their last change; they count as unchanged from now on. */
  takeDirty(): readonly Frontend[] {
    const changes = this.#dirty;
    this.#dirty = [];
    this.#dirtyCount = 0;
    const dirty = changes.filter((frontend, i) => frontend.dirtyAt === i);
    for (const frontend of dirty) frontend.dirtyAt = -1;
    return dirty;
  }

  get dirtyCount(): number {
    return this.#dirtyCount;
  }

  /** Whether the row (or, of a deleted one, its removal) still is what its address stands for. */
  isCurrent(frontend: Frontend): boolean {
    return (frontend.deleted ? this.#leaving : this.#frontends).get(frontend) === frontend;
  }

  /** The map entries of a deleted frontend are gone. */
  forget(frontend: Frontend): void {
    if (this.#leaving.get(frontend) === frontend) this.#leaving.delete(frontend);
  }

  /** Makes a frontend take its backends from another service. */
  redirect(frontend: Frontend, target: ServiceEntry | undefined): void {
    const old = frontend.redirectTo;
    if (old === target) return;
    if (old !== undefined) {
      old.redirectedFrom?.delete(frontend);
      if (old.redirectedFrom?.size === 0) old.redirectedFrom = undefined;
      this.dropIfEmpty(old);
    }
    frontend.redirectTo = target;
    if (target !== undefined) (target.redirectedFrom ??= new Set()).add(frontend);
    if (!frontend.deleted) this.touch(frontend);
  }

  /** Sets or ends a service's L7 redirect, whether or not the service exists yet. */
  setProxyRedirect(name: string, redirect: ProxyRedirect | undefined): void {
    const entry = redirect === undefined ? this.#entries.get(name) : this.entryOf(name);
    if (entry === undefined) return;
    entry.proxyRedirect = redirect;
    this.touchService(entry);
    this.dropIfEmpty(entry);
  }

  /** Adds backends to a service, or replaces what is known of them. Known health is kept. Tells them in the order given. */
  upsertInstances(name: string, source: Source, specs: readonly InstanceSpec[]): readonly Instance[] {
    return specs.length === 0 ? EMPTY_LIST : this.upsertInstancesOf(this.entryOf(name), source, specs);
  }

  upsertInstancesOf(entry: ServiceEntry, source: Source, specs: readonly InstanceSpec[]): readonly Instance[] {
    if (specs.length === 0) return EMPTY_LIST;
    const replaced = new Map<Instance, Instance>();
    const instances = specs.map((spec): Instance => {
      const backend = this.#backends.getOrMake(spec.at, newBackend);
      const known = backend.instanceOf(entry, source);
      const instance: Instance = {
        backend,
        entry,
        source,
        portNames: spec.portNames,
        weight: spec.weight,
        nodeName: spec.nodeName,
        zone: spec.zone,
        forZones: spec.forZones,
        clusterId: spec.clusterId,
        state: spec.state,
        unhealthy: known === undefined ? false : known.unhealthy,
        healthKnown: known === undefined ? false : known.healthKnown,
        next: undefined,
      };
      if (known !== undefined) {
        backend.remove(known);
        replaced.set(known, instance);
      }
      backend.add(instance);
      return instance;
    });
    entry.instances = withInstances(entry.instances, replaced, instances);
    this.touchService(entry);
    return instances;
  }

  /** Takes backends away from a service as far as `source` gave them. */
  releaseInstances(name: string, source: Source, addresses: Iterable<ScopedAddress>): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    const gone = new Set<Instance>();
    for (const at of addresses) {
      const backend = this.#backends.get(at);
      const instance = backend?.instanceOf(entry, source);
      if (backend === undefined || instance === undefined) {
        if (!this.#defects.has('address-in-two-slices')) continue;
        this.#drop(gone);
        return;
      }
      gone.add(instance);
      if (this.#defects.has('service-name-prefix')) {
        for (const one of backend.instances) if (one.entry.name.startsWith(name)) gone.add(one);
      }
    }
    if (gone.size === 0) return;
    this.#drop(gone);
    this.touchService(entry);
    this.dropIfEmpty(entry);
  }

  #drop(gone: ReadonlySet<Instance>): void {
    const entries = new Set<ServiceEntry>();
    for (const instance of gone) {
      instance.backend.remove(instance);
      this.dropBackend(instance.backend);
      entries.add(instance.entry);
    }
    for (const entry of entries) entry.instances = entry.instances.filter((one) => !gone.has(one));
  }

  /** Health of a backend as a service sees it. False when there is no such backend of the service. */
  setHealth(name: string, at: ScopedAddress, healthy: boolean): boolean {
    const backend = this.#backends.get(at);
    const known = backend?.instances.filter((one) => one.entry.name === name) ?? [];
    if (backend === undefined || known.length === 0) return false;
    const replaced = new Map<Instance, Instance>();
    for (const instance of known) {
      const told = { ...instance, unhealthy: !healthy, healthKnown: true };
      replaced.set(instance, told);
      backend.remove(instance);
      backend.add(told);
    }
    const { entry } = known[0]!;
    entry.instances = withInstances(entry.instances, replaced, [...replaced.values()]);
    this.touchService(entry);
    return true;
  }

  /** Removes every service and backend that came from `source`. */
  deleteSource(source: Source): void {
    for (const entry of this.#entries.values()) {
      const addresses = entry.instances.filter((one) => one.source === source).map((one) => one.backend);
      if (entry.service?.source === source) this.deleteService(entry.name);
      this.releaseInstances(entry.name, source, addresses);
    }
  }
}
