import {
  type Endpoint,
  formatEndpoint,
  LbMaps,
  parseCidr,
  parseEndpoint,
  Protocol,
  SocketLb,
  type SocketLbOptions,
  u64,
} from '../../src/index.ts';
import { affinityUnion } from '../../src/lb/layout.ts';
import { NodeTables } from '../../src/node/tables.ts';

/** A service as tests describe it. */
export interface TestService {
  /** `10.96.0.1:80`. */
  readonly frontend: string;
  readonly protocol?: number;
  readonly backends: readonly string[];
  readonly flags?: number;
  /** Seconds; needs the affinity flag. */
  readonly timeout?: number;
  readonly scope?: number;
}

export const HOST_NETNS = u64(1);
export const POD_NETNS = u64(77);

/** A node with socket programs, services put straight into its maps, and a clock that tests set. */
export class TestNode {
  readonly maps = new LbMaps();
  readonly tables = new NodeTables();
  readonly lb: SocketLb;
  time = 1000;
  words: number[] = [];
  drawn = 0;
  #nextId = 0;
  readonly #ids = new Map<string, number>();

  constructor(options: Partial<SocketLbOptions> = {}) {
    this.lb = new SocketLb(this.maps, this.tables, { hostNetnsCookie: HOST_NETNS, ...options });
    this.tables.v4.ipCache.set(parseCidr('192.0.2.1/32'), { identity: 1 });
    this.tables.v4.ipCache.set(parseCidr('192.0.2.2/32'), { identity: 6 });
  }

  now(): number {
    return this.time;
  }

  random(): number {
    this.drawn++;
    return this.words.shift() ?? 0;
  }

  /** Writes a service with a new revNatIndex and returns it. */
  add(service: TestService): number {
    const { address, port } = parseEndpoint(service.frontend);
    const { services, backends } = this.maps.of(address.family);
    const { protocol = Protocol.TCP, flags = 0, timeout = 0, scope = 0 } = service;
    const revNatIndex = ++this.#nextId;
    const key = { address, port, protocol, scope };
    const value = { revNatIndex, flags, qcount: 0 };
    services.set({ ...key, slot: 0 }, { ...value, union: affinityUnion(timeout), count: service.backends.length });
    service.backends.forEach((text, i) => {
      const id = this.backendId(text);
      backends.set(id, { ...parseEndpoint(text), protocol, state: 0, clusterId: 0, zone: 0 });
      services.set({ ...key, slot: i + 1 }, { ...value, union: id, count: 0 });
      this.maps.affinityMatch.add(revNatIndex, id);
    });
    return revNatIndex;
  }

  backendId(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#ids.size + 1;
    this.#ids.set(text, id);
    return id;
  }
}

export const shown = (endpoint: Endpoint | undefined): string | undefined =>
  endpoint === undefined ? undefined : formatEndpoint(endpoint);
