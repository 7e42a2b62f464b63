import {
  Conntrack,
  CtDir,
  CtScope,
  CtState,
  CtStatus,
  CtType,
  type CtTuple,
  setTuple,
  tupleWords,
} from '../src/conntrack/index.ts';
import { Nat, PacketNat, readNatTuple, SnatTarget } from '../src/nat/index.ts';
import { type Family, wordsOf } from '../src/net/address.ts';
import { ETH, EtherType, IPV4, IPV6 } from '../src/net/headers.ts';
import { PacketBuffer, sourceOffset } from '../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../src/net/parse.ts';
import { Protocol } from '../src/net/protocol.ts';
import { type Benchmark, seeded } from './measure.ts';

const ACK = 0x10;
const OPERATIONS = 100_000;

/** Random flows in NAT layout, side by side in one array, so that reading them costs little beside what is measured. */
class Flows {
  readonly words: number;
  readonly count: number;
  readonly #keys: Uint32Array;
  readonly #tuple: CtTuple;

  constructor(family: Family, count: number, seed: number) {
    const random = seeded(seed);
    const w = wordsOf(family);
    const address = (): number[] => (w === 1 ? [random()] : [0x20010db8, random(), random(), random()]);
    this.words = tupleWords(family);
    this.count = count;
    this.#keys = new Uint32Array(count * this.words);
    this.#tuple = new Uint32Array(this.words);
    for (let i = 0; i < count; i++) {
      setTuple(this.#tuple, w, address(), 0, address(), 0, 32_768 + (random() & 0x7fff), 80, Protocol.TCP, 0);
      this.#keys.set(this.#tuple, i * this.words);
    }
  }

  /** Flow `i` in the one tuple that is used for all. */
  at(i: number): CtTuple {
    for (let word = 0; word < this.words; word++) this.#tuple[word] = this.#keys[i * this.words + word]!;
    return this.#tuple;
  }

  /** Flow numbers in random order. */
  order(seed: number): Uint32Array {
    const random = seeded(seed);
    return Uint32Array.from({ length: OPERATIONS }, () => random() % this.count);
  }
}

/** Established lookups over `entries` connections, in random order. */
function established(family: Family, entries: number, label: string): Benchmark {
  const ct = new Conntrack(family);
  const state = new CtState();
  const flows = new Flows(family, entries, 1);
  for (let i = 0; i < entries; i++) ct.create(flows.at(i), CtDir.EGRESS, state, false, 60, 1);
  const order = flows.order(2);
  return {
    name: `ct.established.v${family}.${label}`,
    operations: OPERATIONS,
    run: () => {
      let hits = 0;
      for (let i = 0; i < OPERATIONS; i++) {
        const status = ct.lookup(flows.at(order[i]!), CtDir.EGRESS, CtScope.FORWARD, CtType.ANY, state, ACK, 60, 2);
        if (status === CtStatus.ESTABLISHED) hits++;
      }
      return hits;
    },
  };
}

function created(family: Family): Benchmark {
  const ct = new Conntrack(family);
  const flows = new Flows(family, OPERATIONS, 3);
  return {
    name: `ct.create.v${family}`,
    operations: OPERATIONS,
    run: () => {
      ct.tcp.clear();
      for (let i = 0; i < OPERATIONS; i++) ct.create(flows.at(i), CtDir.EGRESS, null, false, 60, 1);
      return ct.tcp.size;
    },
  };
}

function nats(family: Family): { nat: Nat; target: SnatTarget } {
  const target = new SnatTarget(family);
  target.addr.fill(0x0a000001);
  return { nat: new Nat(new Conntrack(family)), target };
}

function natForward(family: Family, count: number, label: string): Benchmark {
  const { nat, target } = nats(family);
  const flows = new Flows(family, count, 4);
  const random = seeded(5);
  for (let i = 0; i < count; i++) nat.forward(flows.at(i), target, ACK, 60, 1, random);
  const order = flows.order(6);
  return {
    name: `nat.forward.v${family}.${label}`,
    operations: OPERATIONS,
    run: () => {
      let sum = 0;
      for (let i = 0; i < OPERATIONS; i++) {
        sum += nat.forward(flows.at(order[i]!), target, ACK, 60, 2, random);
        sum += nat.toPort;
      }
      return sum;
    },
  };
}

function natNew(family: Family): Benchmark {
  const { nat, target } = nats(family);
  const flows = new Flows(family, OPERATIONS, 6);
  const random = seeded(7);
  return {
    name: `nat.new.v${family}`,
    operations: OPERATIONS,
    run: () => {
      nat.table.clear();
      let sum = 0;
      for (let i = 0; i < OPERATIONS; i++) sum += nat.forward(flows.at(i), target, ACK, 60, 1, random);
      return sum + nat.table.size;
    },
  };
}

function frame(family: Family, tuple: Uint32Array): Uint8Array {
  const w = wordsOf(family);
  const l4 = ETH.SIZE + (family === 4 ? IPV4.SIZE : IPV6.SIZE);
  const packet = new PacketBuffer();
  packet.load(new Uint8Array(l4 + 20));
  packet.setU16(ETH.TYPE, family === 4 ? EtherType.IPV4 : EtherType.IPV6);
  packet.setU8(ETH.SIZE, family === 4 ? 0x45 : 0x60);
  packet.setU8(ETH.SIZE + (family === 4 ? IPV4.PROTOCOL : IPV6.NEXT_HEADER), Protocol.TCP);
  packet.setAddress(ETH.SIZE + sourceOffset(family), w, tuple, w);
  packet.setAddress(ETH.SIZE + sourceOffset(family) + 4 * w, w, tuple, 0);
  packet.setU16(l4, tuple[2 * w]! & 0xffff);
  packet.setU16(l4 + 2, tuple[2 * w]! >>> 16);
  packet.setU8(l4 + 13, ACK);
  return packet.copy();
}

/** Whole packets of established flows: parsed, translated, checksums amended. */
function packetForward(family: Family): Benchmark {
  const { nat, target } = nats(family);
  const packets = new PacketNat(nat);
  const flows = new Flows(family, 1000, 8);
  const frames = Array.from({ length: flows.count }, (_, i) => frame(family, flows.at(i)));
  const [packet, headers, tuple] = [new PacketBuffer(), new Headers(), new Uint32Array(tupleWords(family))];
  const random = seeded(9);
  const one = (bytes: Uint8Array): number => {
    packet.load(bytes);
    readHeaders(packet, headers);
    readNatTuple(packet, headers, tuple);
    return packets.forward(packet, headers, tuple, target, 1, random);
  };
  return {
    name: `nat.packet.forward.v${family}`,
    operations: 100 * frames.length,
    run: () => {
      let sum = 0;
      for (let round = 0; round < 100; round++) for (const bytes of frames) sum += one(bytes);
      return sum + nat.toPort;
    },
  };
}

export const conntrackBenchmarks = (): Benchmark[] =>
  ([4, 6] as const).flatMap((family) => [
    established(family, 1000, 'ct1k'),
    established(family, 100_000, 'ct100k'),
    established(family, 500_000, 'ct500k'),
    created(family),
    natForward(family, 1000, 'ct1k'),
    natForward(family, 200_000, 'ct400k'),
    natNew(family),
    packetForward(family),
  ]);
