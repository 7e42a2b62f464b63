import {
  affinityUnion,
  buildFrame,
  type DatapathInput,
  type Family,
  FibResult,
  type FrameSpec,
  type IpAddress,
  Node,
  type NodeInput,
  PacketBuffer,
  parseAddress,
  parseCidr,
  parseMac,
  Protocol,
  Scope,
  ServiceFlag,
} from '../../src/index.ts';

/** A node with a few services; addresses by family. */
export const WORLD = {
  4: {
    node: '10.0.0.1',
    router: '10.1.0.1',
    client: '203.0.113.7',
    frontend: '192.0.2.10',
    other: '192.0.2.11',
    empty: '192.0.2.12',
    remote: ['10.2.0.1', '10.2.0.2'],
    local: '10.1.0.5',
    tunnel: '10.0.0.2',
    all: '0.0.0.0/0',
    pods: '10.1.0.0/16',
  },
  6: {
    node: 'fd00::1',
    router: 'fd01::1',
    client: '2001:db8::7',
    frontend: '2001:db8:1::10',
    other: '2001:db8:1::11',
    empty: '2001:db8:1::12',
    remote: ['fd02::1', 'fd02::2'],
    local: 'fd01::5',
    tunnel: '10.0.0.2',
    all: '::/0',
    pods: 'fd01::/64',
  },
} as const;

export const PORT = 80;
export const BACKEND_PORT = 8080;
export const GATEWAY = parseMac('02:00:00:00:00:01');
export const NODE_MAC = parseMac('02:00:00:00:00:02');
export const POD_MAC = parseMac('02:00:00:00:00:03');
export const LOCAL_ID = 3;

/** Backend ids are unique over both families: those of IPv6 have 100 added. */
export const backendId = (family: Family, id: number): number => (family === 4 ? id : id + 100);
const revNatIndex = (family: Family, id: number): number => (family === 4 ? id : id + 100);

export interface WorldOptions {
  readonly options?: DatapathInput;
  /** Backend ids of the frontend: 1 and 2 are remote, `LOCAL_ID` is a pod here. */
  readonly backends?: readonly number[];
  readonly flags?: number;
  readonly affinityTimeout?: number;
  readonly input?: Omit<NodeInput, 'options' | 'addresses'>;
}

export function makeNode(world: WorldOptions = {}): Node {
  const node = new Node({
    options: { algorithm: 'maglev', tunnelIfindex: 7, ...world.options },
    addresses: {
      ipv4: parseAddress(WORLD[4].node),
      ipv6: parseAddress(WORLD[6].node),
      routerIPv4: parseAddress(WORLD[4].router),
      routerIPv6: parseAddress(WORLD[6].router),
      podCidrs4: [parseCidr(WORLD[4].pods)],
      podCidrs6: [parseCidr(WORLD[6].pods)],
      mac: NODE_MAC,
      ifindex: 2,
    },
    ...world.input,
  });
  for (const family of [4, 6] as const) fill(node, family, world);
  return node;
}

function fill(node: Node, family: Family, world: WorldOptions): void {
  const names = WORLD[family];
  const tables = node.tables.of(family);
  tables.routes.set(parseCidr(names.all), { result: FibResult.SUCCESS, ifindex: 2, dmac: GATEWAY, smac: NODE_MAC });
  tables.endpoints.set(parseAddress(names.local), {
    id: 5,
    ifindex: 12,
    mac: POD_MAC,
    nodeMac: NODE_MAC,
    host: false,
  });
  for (const remote of names.remote) {
    const address = parseAddress(remote);
    const entry = { identity: 4711, tunnelEndpoint: parseAddress(names.tunnel) };
    tables.ipCache.set({ address, bits: family === 4 ? 32 : 128 }, entry);
  }
  const ids = world.backends ?? [1, 2];
  const { backends } = node.lb.of(family);
  [...names.remote, names.local].forEach((text, i) => {
    backends.set(backendId(family, i + 1), {
      address: parseAddress(text),
      port: BACKEND_PORT,
      protocol: Protocol.ANY,
      state: 0,
      clusterId: 0,
      zone: 0,
    });
  });
  addService(node, family, names.frontend, 1, ids, world);
  addService(node, family, names.other, 2, ids, world);
  addService(node, family, names.empty, 3, [], world);
}

function addService(
  node: Node,
  family: Family,
  address: string,
  id: number,
  backends: readonly number[],
  world: WorldOptions,
): void {
  const maps = node.lb.of(family);
  const key = { address: parseAddress(address), port: PORT, protocol: Protocol.ANY, scope: Scope.EXTERNAL };
  const value = { revNatIndex: revNatIndex(family, id), qcount: 0 };
  const flags = ServiceFlag.LOAD_BALANCER | ServiceFlag.ROUTABLE | (world.flags ?? 0);
  const union = affinityUnion(world.affinityTimeout ?? 0);
  maps.services.set({ ...key, slot: 0 }, { ...value, flags, union, count: backends.length });
  backends.forEach((backend, i) => {
    const slot = backendId(family, backend);
    maps.services.set({ ...key, slot: i + 1 }, { ...value, flags: 0, union: slot, count: 0 });
    node.lb.affinityMatch.add(value.revNatIndex, slot);
  });
  maps.reverseNat.set(value.revNatIndex, { address: key.address, port: PORT });
  const table = new Uint32Array(251);
  if (backends.length > 0) {
    for (let i = 0; i < 251; i++) table[i] = backendId(family, backends[i % backends.length]!);
    maps.maglev.set(value.revNatIndex, table);
  }
}

export type FrameOptions = Partial<Omit<FrameSpec, 'source' | 'destination'>>;

/** A frame between two addresses, given as text, that comes in from the gateway. */
export function frame(source: string, destination: string, options: FrameOptions = {}): Uint8Array {
  return buildFrame({
    protocol: Protocol.TCP,
    sport: 40000,
    dport: PORT,
    ...options,
    source: parseAddress(source),
    destination: parseAddress(destination),
    sourceMac: GATEWAY,
    destinationMac: NODE_MAC,
  });
}

/** A seeded source of u32, for tests that need one. */
export function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return (word ^ (word >>> 14)) >>> 0;
  };
}

/** A packet buffer that does not let a program out of the frame. */
export class GuardedBuffer extends PacketBuffer {
  #guard(offset: number, count: number): void {
    if (!Number.isInteger(offset) || !this.has(offset, count)) {
      throw new RangeError(`${count} bytes at ${offset} of a frame of ${this.length}`);
    }
  }
  override u8(offset: number): number {
    this.#guard(offset, 1);
    return super.u8(offset);
  }
  override u16(offset: number): number {
    this.#guard(offset, 2);
    return super.u16(offset);
  }
  override u32(offset: number): number {
    this.#guard(offset, 4);
    return super.u32(offset);
  }
  override setU8(offset: number, value: number): void {
    this.#guard(offset, 1);
    super.setU8(offset, value);
  }
  override setU16(offset: number, value: number): void {
    this.#guard(offset, 2);
    super.setU16(offset, value);
  }
  override setU32(offset: number, value: number): void {
    this.#guard(offset, 4);
    super.setU32(offset, value);
  }
  override address(offset: number, count: number, out: Uint32Array, at: number): void {
    this.#guard(offset, 4 * count);
    super.address(offset, count, out, at);
  }
  override setAddress(offset: number, count: number, words: ArrayLike<number>, at: number): void {
    this.#guard(offset, 4 * count);
    super.setAddress(offset, count, words, at);
  }
  override move(to: number, from: number, count: number): void {
    this.#guard(to, count);
    this.#guard(from, count);
    super.move(to, from, count);
  }
  override put(offset: number, data: Uint8Array): void {
    this.#guard(offset, data.length);
    super.put(offset, data);
  }
  override insert(at: number, count: number): void {
    this.#guard(at, 0);
    super.insert(at, count);
  }
  override remove(at: number, count: number): void {
    this.#guard(at, count);
    super.remove(at, count);
  }
}

export const addressOf = (text: string): IpAddress => parseAddress(text);
