import { Scope } from '../lb/layout.ts';
import { keyOfText, type ScopedAddress, type SliceRecord, type Source } from './model.ts';
import { EMPTY_LIST, nameOf } from './objects/fields.ts';
import type { EndpointSliceObject } from './objects/endpointslice.ts';
import type { ControlPlaneOptions } from './options.ts';
import { isFamilyEnabled } from './services.ts';
import type { InstanceSpec, Tables } from './tables.ts';

/** Address and port of the dummy endpoint that stands in for a proxied ingress. */
const INGRESS_DUMMY = '192.192.192.192:9999/';

export const DEFAULT_WEIGHT = 100;

/** The backends that a slice lists: one per address, port and protocol, with all its port names. */
export function instancesOf(slice: EndpointSliceObject, options: ControlPlaneOptions): InstanceSpec[] {
  const specs: InstanceSpec[] = [];
  const { ports, endpoints } = slice;
  const simple = isSimple(slice);
  const byKey = simple ? undefined : new Map<string, number>();
  const byAddress = simple ? undefined : new Map<string, { first: number; zones: readonly string[] }>();
  endpoints.forEach((endpoint, e) => {
    endpoint.texts.forEach((text) => {
      const known = byAddress?.get(text);
      if (known === undefined) byAddress?.set(text, { first: e, zones: endpoint.forZones });
      else if (endpoint.forZones.length > 0) known.zones = endpoint.forZones;
    });
  });
  endpoints.forEach((endpoint) => {
    for (let a = 0; a < endpoint.addresses.length; a++) {
      const address = endpoint.addresses[a]!;
      if (!isFamilyEnabled(address.family, options)) continue;
      const text = endpoint.texts[a]!;
      const repeated = byAddress?.get(text);
      const origin = repeated === undefined ? endpoint : endpoints[repeated.first]!;
      for (const { name, port, protocol } of ports) {
        const key = keyOfText(text, address.family, port, protocol, Scope.EXTERNAL);
        if (key.startsWith(INGRESS_DUMMY)) continue;
        const at: ScopedAddress = { key, address, port, protocol, scope: Scope.EXTERNAL };
        const index = byKey?.get(key);
        if (index !== undefined) {
          const twin = specs[index]!;
          if (name !== '' && !twin.portNames.includes(name)) {
            specs[index] = { ...twin, portNames: [...twin.portNames, name] };
          }
          continue;
        }
        byKey?.set(key, specs.length);
        specs.push({
          at,
          portNames: namesOf(name),
          weight: DEFAULT_WEIGHT,
          nodeName: origin.nodeName,
          zone: origin.zone,
          forZones: repeated === undefined ? endpoint.forZones : repeated.zones,
          clusterId: 0,
          state: origin.state,
        });
      }
    }
  });
  return specs;
}

/** No address is listed twice and no port twice: nothing to bring together. */
function isSimple({ ports, endpoints }: EndpointSliceObject): boolean {
  for (let i = 1; i < ports.length; i++) {
    for (let k = 0; k < i; k++) {
      if (ports[i]!.port === ports[k]!.port && ports[i]!.protocol === ports[k]!.protocol) return false;
    }
  }
  if (endpoints.length === 1 && endpoints[0]!.texts.length === 1) return true;
  const seen = new Set<string>();
  let count = 0;
  for (const { texts } of endpoints) {
    count += texts.length;
    for (const text of texts) seen.add(text);
  }
  return seen.size === count;
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
    const name = this.#bookName(nameOf(slice));
    const old = this.#slices.get(name);
    if (slice.service === '') {
      if (old !== undefined) this.#removeRecord(tables, name, old);
      return;
    }
    // The name as the tables have it, so that it is kept once.
    const service = tables.entryOf(`${slice.namespace}/${slice.service}`).name;
    const specs = instancesOf(slice, this.#options);
    this.#services?.set(nameOf(slice), service);
    const record: SliceRecord = { service, keys: specs.map((spec) => spec.at.key), next: undefined };
    this.#slices.set(name, record);
    if (old !== undefined) unlink(tables, old);
    link(tables, record);
    tables.upsertInstances(service, this.#source, specs);
    if (old?.service === service) tables.releaseInstances(service, this.#source, this.#orphans(tables, name, old));
  }

  remove(tables: Tables, fullName: string): void {
    const name = this.#bookName(fullName);
    const old = this.#slices.get(name);
    if (old === undefined) return;
    const service = this.#services?.get(fullName);
    if (service === undefined || service === old.service) this.#removeRecord(tables, name, old);
  }

  #bookName(fullName: string): string {
    return this.#options.defects.has('slice-names') ? fullName.slice(fullName.indexOf('/') + 1) : fullName;
  }

  #removeRecord(tables: Tables, name: string, old: SliceRecord): void {
    this.#slices.delete(name);
    unlink(tables, old);
    tables.releaseInstances(old.service, this.#source, this.#orphans(tables, name, old));
  }

  clear(tables: Tables): void {
    for (const record of this.#slices.values()) unlink(tables, record);
    this.#slices.clear();
  }

  /** Keys of a gone record that no slice of its service lists. */
  #orphans(tables: Tables, name: string, old: SliceRecord): readonly string[] {
    const first = tables.entry(old.service)?.slices;
    if (first === undefined) return old.keys;
    if (this.#options.defects.has('address-in-two-slices')) {
      const now = new Set(this.#slices.get(name)?.keys);
      return old.keys.filter((key) => !now.has(key));
    }
    const still = new Set<string>();
    for (let record: SliceRecord | undefined = first; record !== undefined; record = record.next) {
      for (const key of record.keys) still.add(key);
    }
    return old.keys.filter((key) => !still.has(key));
  }
}

function link(tables: Tables, record: SliceRecord): void {
  const entry = tables.entryOf(record.service);
  record.next = entry.slices;
  entry.slices = record;
}

function unlink(tables: Tables, record: SliceRecord): void {
  const entry = tables.entryOf(record.service);
  if (entry.slices === record) entry.slices = record.next;
  else {
    let before = entry.slices;
    while (before !== undefined && before.next !== record) before = before.next;
    if (before !== undefined) before.next = record.next;
  }
  record.next = undefined;
  tables.dropIfEmpty(entry);
}
