import {
  Conntrack,
  CtDir,
  CtScope,
  CtState,
  CtStatus,
  CtType,
  setTuple,
  tupleWords,
} from '../../src/conntrack/index.ts';
import { formatWords, Protocol, TcpFlag } from '../../src/net/index.ts';
import { heapBytes } from '../heap.ts';
import { type Benchmark, counted, lazy, seeded } from '../measure.ts';
import {
  type Direction,
  keyOf,
  ObjectConntrack,
  type ObjectEntry,
  type Packet,
  type Status,
} from './object-conntrack.ts';

const OPERATIONS = 100_000;
const NOW = 1000;

/** What both are asked for. */
interface Tracker {
  /** Looks a packet up; a new flow gets its entry. */
  see(packet: Packet, direction: Direction, now: number): { status: Status; revNatIndex: number };
}

const STATUS: Readonly<Record<number, Status>> = {
  [CtStatus.NEW]: 'new',
  [CtStatus.ESTABLISHED]: 'established',
  [CtStatus.REPLY]: 'reply',
};

class Typed implements Tracker {
  readonly conntrack = new Conntrack(4);
  readonly #tuple = new Uint32Array(tupleWords(4));
  readonly #state = new CtState();
  readonly #source = [0];
  readonly #destination = [0];

  see(packet: Packet, direction: Direction, now: number): { status: Status; revNatIndex: number } {
    const status = STATUS[this.lookup(packet, direction, now)]!;
    const dir = direction === 'egress' ? CtDir.EGRESS : CtDir.INGRESS;
    if (status !== 'new') return { status, revNatIndex: this.#state.revNatIndex };
    this.#state.clear();
    this.#state.revNatIndex = revNatIndexOf(packet);
    this.conntrack.create(this.#tuple, dir, this.#state, false, 60, now);
    return { status, revNatIndex: 0 };
  }

  /** The lookup alone, which allocates nothing. */
  lookup({ source, sport, destination, dport, flags }: Packet, direction: Direction, now: number): CtStatus {
    this.#source[0] = source;
    this.#destination[0] = destination;
    // The packet's layout: the ports stand on the other side.
    setTuple(this.#tuple, 1, this.#source, 0, this.#destination, 0, dport, sport, Protocol.TCP, 0);
    const dir = direction === 'egress' ? CtDir.EGRESS : CtDir.INGRESS;
    return this.conntrack.lookup(this.#tuple, dir, CtScope.BIDIR, CtType.ANY, this.#state, flags, 60, now);
  }
}

class Objects implements Tracker {
  readonly conntrack = new ObjectConntrack();

  see(packet: Packet, direction: Direction, now: number): { status: Status; revNatIndex: number } {
    const { status, entry } = this.conntrack.lookup(packet, direction, now);
    if (status === 'new') this.conntrack.create(packet, direction, revNatIndexOf(packet), now);
    return { status, revNatIndex: entry?.revNatIndex ?? 0 };
  }
}

const revNatIndexOf = ({ sport }: Packet): number => sport & 0xff;

/** Flow `i` of a seed. */
function flowsOf(count: number, seed: number): Packet[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    source: random(),
    sport: 1024 + (random() % 60_000),
    destination: random(),
    dport: 80,
    flags: TcpFlag.ACK as number,
  }));
}

const FLAGS = [
  TcpFlag.SYN,
  TcpFlag.SYN | TcpFlag.ACK,
  TcpFlag.ACK,
  TcpFlag.ACK,
  TcpFlag.FIN | TcpFlag.ACK,
  TcpFlag.RST,
];

/** Both get the same packets of few flows, to and fro, opened, closed and opened again: answers and entries have to agree. */
function checkSameWork(): void {
  const [typed, objects] = [new Typed(), new Objects()];
  const random = seeded(3);
  const flows = flowsOf(50, 4);
  let now = NOW;
  for (let i = 0; i < 50_000; i++) {
    const there = { ...flows[random() % flows.length]!, flags: FLAGS[random() % FLAGS.length]! };
    const back = {
      ...there,
      source: there.destination,
      sport: there.dport,
      destination: there.source,
      dport: there.sport,
    };
    const isReply = random() % 2 === 0;
    const [packet, direction] = isReply ? [back, 'ingress' as const] : [there, 'egress' as const];
    if (random() % 10 === 0) now += random() % 8;
    const [one, other] = [typed.see(packet, direction, now), objects.see(packet, direction, now)];
    if (one.status !== other.status || one.revNatIndex !== other.revNatIndex) {
      throw new Error(`packet ${i}: ${JSON.stringify(one)} is not ${JSON.stringify(other)}`);
    }
  }
  checkSameEntries(typed.conntrack, objects.conntrack);
}

function checkSameEntries(typed: Conntrack, { entries }: ObjectConntrack): void {
  const numberOf = new Map<string, number>();
  const number = (text: string): number => numberOf.get(text)!;
  for (const { source, destination } of flowsOf(50, 4)) {
    for (const word of [source, destination]) numberOf.set(formatWords(4, [word], 0), word);
  }
  let count = 0;
  for (const entry of typed.entries()) {
    // Entries are in forward layout: daddr is the packet's source.
    const direction = entry.flags === 0 ? 'egress' : 'ingress';
    const key = keyOf(number(entry.daddr), entry.sport, number(entry.saddr), entry.dport, direction);
    const twin = entries.get(key);
    count++;
    for (const field of Object.keys(twin ?? {}) as (keyof ObjectEntry)[]) {
      if (entry[field] !== twin![field]) throw new Error(`${key}: ${field} ${entry[field]} is not ${twin![field]}`);
    }
  }
  if (count !== entries.size) throw new Error(`${count} entries are not ${entries.size}`);
}

/** Packets of `count` open flows in random order. */
function established(label: string, count: number): Benchmark[] {
  const packets = lazy(() => {
    checkSameWork();
    const flows = flowsOf(count, 1);
    const random = seeded(2);
    return { flows, order: Uint32Array.from({ length: OPERATIONS }, () => random() % count) };
  });
  const filled = <T extends Tracker>(make: () => T): { tracker: T; bytes: number } => {
    const { flows } = packets();
    const before = heapBytes();
    const tracker = make();
    for (const flow of flows) tracker.see(flow, 'egress', NOW);
    return { tracker, bytes: heapBytes() - before };
  };
  const typed = lazy(() => filled(() => new Typed()));
  const objects = lazy(() => filled(() => new Objects()));
  const name = (who: string): string => `peers.conntrack.${who}.${label}`;
  // Of few entries the heap tells too little.
  const memory = (who: string, bytes: () => number): Pick<Benchmark, 'figures'> =>
    count < 10_000 ? {} : { figures: () => [counted(`${name(who)}.memory`, 'bytes/entry', bytes() / count)] };
  return [
    {
      name: name('lbtwin'),
      operations: OPERATIONS,
      run: () => {
        const { tracker } = typed();
        const { flows, order } = packets();
        let hits = 0;
        for (let i = 0; i < OPERATIONS; i++) {
          if (tracker.lookup(flows[order[i]!]!, 'egress', NOW) === CtStatus.ESTABLISHED) hits++;
        }
        return hits;
      },
      ...memory('lbtwin', () => typed().bytes),
    },
    {
      name: name('objects'),
      operations: OPERATIONS,
      run: () => {
        const { conntrack } = objects().tracker;
        const { flows, order } = packets();
        let hits = 0;
        for (let i = 0; i < OPERATIONS; i++) {
          if (conntrack.lookup(flows[order[i]!]!, 'egress', NOW).status === 'established') hits++;
        }
        return hits;
      },
      ...memory('objects', () => objects().bytes),
    },
  ];
}

export const conntrackPeers = (): Benchmark[] => [...established('1k', 1000), ...established('100k', 100_000)];
