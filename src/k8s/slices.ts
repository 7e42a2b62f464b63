import { Scope } from '../lb/layout.ts';
import { formatAddress, type IpAddress, sameAddress } from '../net/address.ts';
import { addressesOf, type Backend, ScopedAddress, type SliceRecord, type Source } from './model.ts';
import { EMPTY_LIST, nameOf } from './objects/fields.ts';
import type { EndpointSliceObject } from './objects/endpointslice.ts';
import type { ControlPlaneOptions } from './options.ts';
import { isFamilyEnabled } from './services.ts';
import type { InstanceSpec, Tables } from './tables.ts';

/** Address and port of the dummy endpoint that stands in for a proxied ingress. */
const isIngressDummy = ({ family, words }: IpAddress, port: number): boolean =>
  port === 9999 && family === 4 && words[0] === 0xc0c0c0c0;

export const DEFAULT_WEIGHT = 100;

/** The backends that a slice lists: one per address, port and protocol, with all its port names. */
export function instancesOf(slice: EndpointSliceObject, options: ControlPlaneOptions): readonly InstanceSpec[] {
  const specs: InstanceSpec[] = [];
  for (const endpoint of slice.endpoints) {
    for (const address of endpoint.addresses) {
      if (!isFamilyEnabled(address.family, options)) continue;
      for (const { name, port, protocol } of slice.ports) {
        if (isIngressDummy(address, port)) continue;
        specs.push({
          at: new ScopedAddress(address, port, protocol, Scope.EXTERNAL),
          portNames: namesOf(name),
          weight: DEFAULT_WEIGHT,
          nodeName: endpoint.nodeName,
          zone: endpoint.zone,
          forZones: endpoint.forZones,
          clusterId: 0,
          state: endpoint.state,
        });
      }
    }
  }
  return isSimple(slice) ? specs : merged(specs, lastZones(slice));
}

/** Brings together what is listed several times: the first endpoint of an address counts, with all port names. */
function merged(specs: readonly InstanceSpec[], zones: ReadonlyMap<string, readonly string[]>): InstanceSpec[] {
  const firsts = new Map<string, InstanceSpec>();
  const found = new Map<string, InstanceSpec>();
  for (const spec of specs) {
    const { address, key } = spec.at;
    const text = formatAddress(address);
    const first = firsts.get(text) ?? spec;
    firsts.set(text, first);
    const { nodeName, zone, state } = first;
    const twin = found.get(key);
    const more = twin === undefined ? spec.portNames : spec.portNames.filter((name) => !twin.portNames.includes(name));
    if (twin === undefined) found.set(key, { ...spec, nodeName, zone, state, forZones: zones.get(text)! });
    else if (more.length > 0) found.set(key, { ...twin, portNames: [...twin.portNames, ...more] });
  }
  return [...found.values()];
}

/** Zone hints of each address: of several endpoints the last that has some. */
function lastZones({ endpoints }: EndpointSliceObject): ReadonlyMap<string, readonly string[]> {
  const zones = new Map<string, readonly string[]>();
  for (const { addresses, forZones } of endpoints) {
    for (const address of addresses) {
      const text = formatAddress(address);
      if (forZones.length > 0 || !zones.has(text)) zones.set(text, forZones);
    }
  }
  return zones;
}

/** So few addresses are compared one by one. */
const FEW = 8;

/** No address is listed twice and no port twice: nothing to bring together. */
function isSimple({ ports, endpoints }: EndpointSliceObject): boolean {
  for (let i = 1; i < ports.length; i++) {
    for (let k = 0; k < i; k++) {
      if (ports[i]!.port === ports[k]!.port && ports[i]!.protocol === ports[k]!.protocol) return false;
    }
  }
  if (endpoints.length > FEW || endpoints.some(({ addresses }) => addresses.length > 1)) {
    const texts = endpoints.flatMap(({ addresses }) => addresses.map(formatAddress));
    return new Set(texts).size === texts.length;
  }
  for (let i = 1; i < endpoints.length; i++) {
    for (let k = 0; k < i; k++) {
      const [a, b] = [endpoints[i]!.addresses[0], endpoints[k]!.addresses[0]];
      if (a !== undefined && b !== undefined && sameAddress(a, b)) return false;
    }
  }
  return true;
}

const sharedNames = new Map<string, readonly string[]>([['', EMPTY_LIST]]);

/** A list of one port name; the common ones are shared. */
function namesOf(name: string): readonly string[] {
  const known = sharedNames.get(name);
  if (known !== undefined) return known;
  const names = Object.freeze([name]);
  if (sharedNames.size < 1000) sharedNames.set(name, names);
  return names;
}

/** Which slice gave which backends; an address goes when no slice of the service lists it any more. */
export class SliceBook {
  readonly #slices = new Map<string, SliceRecord>();
  /** Service of each slice by its full name, where the book itself goes by less (defect `slice-names`). */
  readonly #services: Map<string, string> | undefined;
  readonly #source: Source;
  readonly #options: ControlPlaneOptions;

  constructor(source: Source, options: ControlPlaneOptions) {
    this.#source = source;
    this.#options = options;
    this.#services = options.defects.has('slice-names') ? new Map() : undefined;
  }

  has(name: string): boolean {
    return this.#slices.has(name);
  }

  /**
   * New backends first, then what this slice no longer lists. A slice that changes its service leaves its backends with the old one for
   * good, as the agent does.
   */
  upsert(tables: Tables, slice: EndpointSliceObject): void {
    const fullName = nameOf(slice);
    const name = this.#bookName(fullName);
    const old = this.#slices.get(name);
    if (slice.service === '') {
      if (old !== undefined) this.#removeRecord(tables, name, old);
      return;
    }
    const entry = tables.entryOf(`${slice.namespace}/${slice.service}`);
    this.#services?.set(fullName, entry.name);
    const instances = tables.upsertInstancesOf(entry, this.#source, instancesOf(slice, this.#options));
    const record: SliceRecord = { entry, instances, next: entry.slices };
    entry.slices = record;
    this.#slices.set(name, record);
    if (old === undefined) return;
    unlink(tables, old);
    if (old.entry !== entry) return;
    tables.releaseInstances(entry.name, this.#source, this.#orphans(tables, name, old));
  }

  remove(tables: Tables, fullName: string): void {
    const name = this.#bookName(fullName);
    const old = this.#slices.get(name);
    if (old === undefined) return;
    const service = this.#services?.get(fullName);
    if (service === undefined || service === old.entry.name) this.#removeRecord(tables, name, old);
  }

  #bookName(fullName: string): string {
    return this.#options.defects.has('slice-names') ? fullName.slice(fullName.indexOf('/') + 1) : fullName;
  }

  #removeRecord(tables: Tables, name: string, old: SliceRecord): void {
    this.#slices.delete(name);
    unlink(tables, old);
    tables.releaseInstances(old.entry.name, this.#source, this.#orphans(tables, name, old));
  }

  clear(tables: Tables): void {
    for (const record of this.#slices.values()) unlink(tables, record);
    this.#slices.clear();
  }

  /** What a gone record lists and no slice of its service does. */
  #orphans(tables: Tables, name: string, old: SliceRecord): readonly Backend[] {
    // The row that an address has now: one that was released meanwhile may have got another.
    const rowOf = (backend: Backend): Backend => tables.backend(backend) ?? backend;
    const still = new Set<Backend>();
    if (this.#options.defects.has('address-in-two-slices') && old.entry.slices !== undefined) {
      for (const { backend } of this.#slices.get(name)?.instances ?? EMPTY_LIST) still.add(rowOf(backend));
    } else {
      for (let record = old.entry.slices; record !== undefined; record = record.next) {
        for (const { backend } of record.instances) still.add(rowOf(backend));
      }
    }
    return addressesOf(old.instances).filter((backend) => !still.has(rowOf(backend)));
  }
}

function unlink(tables: Tables, record: SliceRecord): void {
  const { entry } = record;
  if (entry.slices === record) entry.slices = record.next;
  else {
    let before = entry.slices;
    while (before !== undefined && before.next !== record) before = before.next;
    if (before !== undefined) before.next = record.next;
  }
  record.next = undefined;
  tables.dropIfEmpty(entry);
}
