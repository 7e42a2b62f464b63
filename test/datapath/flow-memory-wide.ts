import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import {
  Act,
  buildFrame,
  Conntrack,
  type DatapathInput,
  type Family,
  FlowRunner,
  type FrameSpec,
  type Hook,
  LbtwinError,
  Nat,
  Node,
  NodeTables,
  parseAddress,
  Protocol,
  TcpFlag,
  type Verdict,
} from '../../src/index.ts';
import { alter, turnedRound } from './flow-memory-frames.ts';
import { type Furniture, furnish, L7_PORT, POD_B, PODS, WRITES } from './flow-memory-world.ts';
import { BACKEND_PORT, GATEWAY, LOCAL_ID, makeNode, mulberry, NODE_MAC, WORLD } from './world.ts';

/*
 * The world of the wider law: every hook and option, every map written by everybody who writes maps, packets of any kind. Each side
 * has a second node that shares maps with the first. Packets are small numbers, so that a counterexample shrinks to a few.
 */

const place = (family: Family): readonly string[] => {
  const { client, frontend, other, empty, local, node, router, remote } = WORLD[family];
  return [client, frontend, other, empty, local, POD_B[family], node, router, ...remote];
};

export const HOOKS: readonly Hook[] = [
  'xdp',
  'fromNetdev',
  'fromContainer',
  'toNetdev',
  'fromOverlay',
  'toContainer',
  'podPolicy',
];
export const PORTS: readonly number[] = [80, 81, BACKEND_PORT, L7_PORT, 40_001, 32_768, 32_769, 6081, 500];
const PROTOCOLS = [Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.ICMP];
const FLAGS = [
  TcpFlag.ACK,
  TcpFlag.SYN,
  TcpFlag.ACK | TcpFlag.PSH,
  TcpFlag.SYN | TcpFlag.ACK,
  TcpFlag.FIN | TcpFlag.ACK,
  TcpFlag.RST,
  0xc0,
];
const TTLS: readonly number[] = [64, 2, 3, 1, 0, 255];

export interface Packet {
  readonly op: 'packet';
  readonly family: Family;
  readonly hook: number;
  /** Places in the lists above. */
  readonly protocol: number;
  readonly source: number;
  readonly sport: number;
  readonly destination: number;
  readonly dport: number;
  readonly flags: number;
  readonly ttl: number;
  readonly length: number;
  /** How the frame differs from a usual one: see `alter`. */
  readonly altered: number;
  readonly given: number;
  readonly pod: number;
  /** The node that gets it: 0 or 1. */
  readonly node: number;
  /** As a flow, not as bytes. */
  readonly flow: boolean;
}

/** The last frame that went on, as it is or turned round, at another hook. */
export interface Onward {
  readonly op: 'onward';
  readonly hook: number;
  readonly answer: boolean;
  readonly back: number;
  readonly flags: number;
  readonly altered: number;
  readonly node: number;
  readonly pod: number;
}

export interface Change {
  readonly op: 'change';
  readonly what: number;
  readonly family: Family;
  readonly which: number;
  readonly node: number;
}

export interface Time {
  readonly op: 'time';
  readonly seconds: number;
}

export type Op = Packet | Onward | Change | Time;

export interface World extends Furniture {
  readonly options: DatapathInput;
  readonly size: number;
  /** What the second node has in common with the first: nothing but maps, its conntrack as well, or only conntrack's tables. */
  readonly shares: 'maps' | 'conntrack' | 'tables';
  readonly start: number;
  readonly seed: number;
}

export class Side {
  readonly nodes: readonly Node[];
  readonly traced: boolean;
  now: number;
  draws = 0;
  readonly frames: { readonly bytes: Uint8Array; readonly transfer: number }[] = [];
  readonly #random: () => number;
  readonly runners: readonly FlowRunner[];

  constructor(world: World, traced: boolean) {
    this.traced = traced;
    this.now = world.start;
    const random = mulberry(world.seed);
    this.#random = () => {
      this.draws++;
      return random();
    };
    const { size } = world;
    const first = makeNode({
      backends: [1, 2, LOCAL_ID],
      input: { tables: new NodeTables({ neighbours: 2, fragments: 2 }) },
      options: {
        acceleration: 'native',
        ...world.options,
        natMaxEntries: size,
        conntrack: { ...world.options.conntrack, tcpMaxEntries: size, anyMaxEntries: size },
      },
    });
    for (const family of [4, 6] as const) furnish(first, family, world);
    this.nodes = [first, secondNode(first, world)];
    this.runners = this.nodes.map((node) => new FlowRunner(node));
  }

  step(op: Op): unknown {
    switch (op.op) {
      case 'time':
        this.now = Math.min(Math.max(0, this.now + op.seconds), 0xffff_ffff);
        return undefined;
      case 'change':
        WRITES[op.what]!(this.nodes[op.node]!, op.family, op.which, this.now);
        return undefined;
      case 'packet':
        return this.#send(op, op.flow ? undefined : alter(frameOf(op), op.altered), HOOKS[op.hook]!, 0);
      case 'onward': {
        const last = this.frames.at(-1 - op.back);
        if (last === undefined) return undefined;
        const bytes = op.answer ? turnedRound(last.bytes, FLAGS[op.flags]!) : last.bytes;
        return this.#send(op, alter(bytes, op.altered), HOOKS[op.hook]!, op.answer ? 0 : last.transfer);
      }
    }
  }

  #send(op: Packet | Onward, bytes: Uint8Array | undefined, hook: Hook, transfer: number): unknown {
    const given = op.op === 'packet' ? op.given : 0;
    const tracing = this.traced ? { trace: { event: () => {} } } : {};
    const options = {
      now: this.now,
      random: this.#random,
      pod: PODS[op.pod]!,
      ...(transfer === 0 ? {} : { transfer }),
      ...GIVEN[given],
      ...tracing,
    };
    try {
      if (bytes === undefined) {
        const runner = this.runners[op.node]!;
        const act = runner.run(hook, specOf(op as Packet), options);
        const { mark, transfer, redirectKind, redirectIfindex, packet } = runner.context;
        const told = { act, mark, transfer, to: act === Act.REDIRECT ? [redirectKind, redirectIfindex] : [] };
        // At XDP there is not always a packet.
        return act < 0 ? told : { ...told, flow: runner.flow(), frame: hook === 'xdp' ? undefined : packet.copy() };
      }
      const verdict = this.nodes[op.node]!.receive(hook, bytes, options);
      // An answer to an answer would be a request again.
      if (op.op === 'packet' || !op.answer) this.#keep(verdict);
      return verdict;
    } catch (error) {
      if (error instanceof LbtwinError) return error.code;
      throw error;
    }
  }

  #keep({ frame, transfer = 0 }: Verdict): void {
    if (frame === undefined || frame.length > 1600) return;
    this.frames.push({ bytes: frame, transfer });
    if (this.frames.length > 4) this.frames.shift();
  }

  get hits(): number {
    return this.nodes.reduce((sum, { v4, v6 }) => sum + v4.memory.hits + v6.memory.hits, 0);
  }

  /** Everything that later packets can meet, to the stamps by which entries are evicted. */
  *words(): Generator<Uint32Array> {
    for (const node of this.nodes) {
      for (const f of [node.v4, node.v6]) {
        yield f.conntrack.tcp.rows;
        yield f.conntrack.any.rows;
        yield f.nat.table.rows;
        yield rowsOf(f.tables.neighbours);
        yield rowsOf(f.tables.fragments);
        yield rowsOf(f.lb.affinity);
        yield f.nat.retries;
        yield Uint32Array.of(f.conntrack.monitor, f.pods.conntrack.monitor, f.conntrack.fillUpSignals, this.draws);
      }
    }
  }

  metrics(): unknown {
    return this.nodes.map((node) => [...node.metrics.entries()]);
  }
}

/** Maps keep their tables to themselves. */
const rowsOf = (map: object): Uint32Array => (map as { readonly table: { readonly rows: Uint32Array } }).table.rows;

/** What a caller may give with a packet. */
export const GIVEN: readonly object[] = [
  {},
  { transfer: 1 },
  { transfer: 4 },
  { transfer: 256 },
  { mark: 0x300 },
  { mark: 0x0b00 },
  { ifindex: 9 },
  { sourceIdentity: 77 },
  { tunnelOptions: new Uint8Array(12) },
];

const specOf = (op: Packet): FrameSpec => ({
  protocol: PROTOCOLS[op.protocol]!,
  source: parseAddress(place(op.family)[op.source]!),
  destination: parseAddress(place(op.family)[op.destination]!),
  sport: PORTS[op.sport]!,
  dport: PORTS[op.dport]!,
  tcpFlags: FLAGS[op.flags]!,
  ttl: TTLS[op.ttl]!,
  length: [0, 48, 100, 1290, 1499][op.length]!,
  sourceMac: GATEWAY,
  destinationMac: NODE_MAC,
});

const frameOf = (op: Packet): Uint8Array => buildFrame(specOf(op));

function secondNode(first: Node, { shares, options, size }: World): Node {
  const { v4, v6 } = first;
  const conntrack = { tcpMaxEntries: size, anyMaxEntries: size };
  const { tcp, any } = v4.conntrack;
  const own = {
    v4: new Conntrack(4, first.options.conntrack, { tcp, any }),
    v6: new Conntrack(6, first.options.conntrack, { tcp: v6.conntrack.tcp, any: v6.conntrack.any }),
  };
  return new Node({
    lb: first.lb,
    tables: first.tables,
    addresses: { ...first.addresses, ifindex: 9 },
    options: { acceleration: 'native', tunnelIfindex: 7, ...options, natMaxEntries: size, conntrack },
    ...(shares === 'conntrack'
      ? { conntrack: { v4: v4.conntrack, v6: v6.conntrack }, nat: { v4: v4.nat, v6: v6.nat } }
      : {}),
    ...(shares === 'tables'
      ? { conntrack: own, nat: { v4: new Nat(own.v4, v4.nat.table), v6: new Nat(own.v6, v6.nat.table) } }
      : {}),
  });
}

/** Both sides through the same: equal after every step. Answers how many packets were answered from memory, and of how many. */
export function compareWide(world: World, list: readonly Op[]): { readonly hits: number; readonly packets: number } {
  const reference = new Side(world, true);
  const remembering = new Side(world, false);
  let packets = 0;
  list.forEach((op, i) => {
    const [answer, wanted] = [remembering.step(op), reference.step(op)];
    // `expect` takes longer than both packets.
    if (!isDeepStrictEqual(answer, wanted)) expect(answer, `step ${i}`).toEqual(wanted);
    const expected = reference.words();
    for (const words of remembering.words()) {
      const others: Uint32Array = expected.next().value!;
      if (!same(words, others)) expect(words, `step ${i}`).toEqual(others);
    }
    if (op.op === 'packet' || op.op === 'onward') packets++;
  });
  expect(remembering.metrics()).toEqual(reference.metrics());
  expect(reference.hits).toBe(0);
  return { hits: remembering.hits, packets };
}

function same(a: Uint32Array, b: Uint32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
