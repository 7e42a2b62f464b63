import { FibResult, HookContext, LbMaps, Node, parseMac, ServiceFlag } from '../src/index.ts';
import { buildFrame, type Family, parseAddress, parseCidr, Protocol, TcpFlag } from '../src/net/index.ts';
import { seeded } from './measure.ts';
import { addressOf, fillServices } from './services.ts';

const GATEWAY = parseMac('02:00:00:00:00:01');
const NODE_MAC = parseMac('02:00:00:00:00:02');

const NAMES = {
  4: { node: '192.0.2.1', all: '0.0.0.0/0' },
  6: { node: '2001:db8:ff::1', all: '::/0' },
} as const;

/** Where a frame without options has its client, its frontend and the client's port. */
const OFFSETS = {
  4: { source: 26, destination: 30, sport: 34 },
  6: { source: 22, destination: 38, sport: 54 },
} as const;

export interface Size {
  readonly services: number;
  readonly backends: number;
  /** Each has two conntrack entries (the service's, the connection's) and both halves of a NAT mapping. */
  readonly flows: number;
}

/** A node that knows `flows` connections of random clients to random services, and a way to send packets of them in random order. */
export class Population {
  readonly node: Node;
  readonly #family: Family;
  /** Words of each flow, side by side so that reading them costs little: both addresses and the client's port. */
  readonly #flows: Uint32Array;
  readonly #words: number;
  readonly #frame: Uint8Array;
  readonly #view: DataView;
  readonly #context = new HookContext();
  readonly #options = { now: 1000, random: seeded(1) };
  #next = 0;

  constructor(family: Family, { services, backends, flows }: Size) {
    this.#family = family;
    this.node = nodeWith(family, services, backends);
    this.#frame = buildFrame({
      protocol: Protocol.TCP,
      source: addressOf(family, 0, 0),
      destination: addressOf(family, 1, 0),
      sport: 1,
      dport: 80,
      tcpFlags: TcpFlag.SYN,
      sourceMac: GATEWAY,
      destinationMac: NODE_MAC,
    });
    this.#view = new DataView(this.#frame.buffer);
    const random = seeded(services + flows);
    const words = family === 4 ? 1 : 4;
    this.#words = 2 * words + 1;
    this.#flows = new Uint32Array(flows * this.#words);
    for (let at = 0; at < this.#flows.length; at += this.#words) {
      for (let word = 0; word < words; word++) this.#flows[at + word] = random();
      this.#flows.set(addressOf(family, 1, random() % services).words, at + words);
      this.#flows[at + 2 * words] = 1024 + (random() % 60_000);
    }
    for (const flags of [TcpFlag.SYN, TcpFlag.ACK]) {
      this.#frame[OFFSETS[family].sport + 13] = flags;
      this.run(flows);
    }
    this.#check(2 * flows);
    this.#shuffle(random);
  }

  /** From here on packets come in another order than the entries were made in, which is that of the rows: every one is somewhere else. */
  #shuffle(random: () => number): void {
    const flows = this.#flows;
    const words = this.#words;
    for (let left = flows.length / words; left > 1; left--) {
      const [a, b] = [(left - 1) * words, (random() % left) * words];
      const last = flows.slice(a, a + words);
      flows.copyWithin(a, b, b + words);
      flows.set(last, b);
    }
    this.#next = 0;
  }

  /** Sends the next packets. */
  run(packets: number): number {
    const { source, destination, sport } = OFFSETS[this.#family];
    const words = this.#words >> 1;
    const flows = this.#flows;
    const view = this.#view;
    let sum = 0;
    for (let i = 0; i < packets; i++) {
      const at = this.#next;
      this.#next = at + this.#words === flows.length ? 0 : at + this.#words;
      for (let word = 0; word < words; word++) view.setUint32(source + 4 * word, flows[at + word]!);
      for (let word = 0; word < words; word++) view.setUint32(destination + 4 * word, flows[at + words + word]!);
      view.setUint16(sport, flows[at + 2 * words]!);
      sum += this.node.process('xdp', this.#frame, this.#options, this.#context);
    }
    return sum;
  }

  /** The rows would be mislabelled if flows shared an entry, or did not get through. */
  #check(entries: number): void {
    const { size } = this.node.of(this.#family).conntrack.tcp;
    if (size !== entries) throw new Error(`there are ${size} conntrack entries, not ${entries}`);
  }
}

function nodeWith(family: Family, services: number, backends: number): Node {
  const lb = new LbMaps(2 ** 20);
  fillServices(lb, family, { services, backends, flags: ServiceFlag.LOAD_BALANCER | ServiceFlag.ROUTABLE });
  const node = new Node({
    lb,
    addresses: {
      ipv4: parseAddress(NAMES[4].node),
      ipv6: parseAddress(NAMES[6].node),
      mac: NODE_MAC,
      ifindex: 2,
    },
  });
  const route = { result: FibResult.SUCCESS, ifindex: 2, dmac: GATEWAY, smac: NODE_MAC };
  node.tables.of(family).routes.set(parseCidr(NAMES[family].all), route);
  return node;
}
