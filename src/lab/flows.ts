import { LbtwinError } from '../errors.ts';
import { parseHashSeed, DEFAULT_HASH_SEED } from '../hash/seed.ts';
import { hashTuple4 } from '../hash/tuple.ts';
import { compareTables } from '../maglev/compare.ts';
import { DEFAULT_TABLE_SIZE } from '../maglev/sizes.ts';
import { NO_BACKEND } from '../maglev/variants/variant.ts';
import { Protocol } from '../net/protocol.ts';
import type { Algorithm } from './algorithms.ts';
import { LruOfFlows } from './lru.ts';
import { below, type Random, seededRandom } from './random.ts';
import type { SequenceStep } from './sequence.ts';

export interface FlowOptions {
  /** Live TCP connections, 1..20,000,000. */
  readonly flows: number;
  /** Different client addresses among them; a quarter of the flows unless given. */
  readonly clients?: number;
  /** Connections that conntrack holds; unlimited unless given. */
  readonly ctSize?: number;
  /** Client-IP session affinity. */
  readonly affinity?: boolean;
  /** Share of the flows that end and are replaced by new ones of the same client at each step. */
  readonly turnover?: number;
  readonly tableSize?: number;
  readonly hashSeed?: string;
  /** 0..2^32-1 */
  readonly seed: number;
}

/** What one step did to the flows: kept + saved + lost + evicted is their number. */
export interface FlowStep {
  readonly label: string;
  readonly active: number;
  readonly draining: number;
  /** Slots; absent without a table. */
  readonly table?: { readonly changed: number; readonly unavoidable: number; readonly needless: number };
  /** On their backend, which a new lookup would give, too. */
  readonly kept: number;
  /** On their backend only because conntrack remembers it: a new lookup would give another, or it drains. */
  readonly saved: number;
  /** Their backend is gone: moved, unavoidably. */
  readonly lost: number;
  /** Their conntrack entry was evicted, so they were looked up anew: by chance to the same backend, or moved needlessly. */
  readonly evicted: number;
  readonly evictedKept: number;
  readonly evictedMoved: number;
  /** `lost + evictedMoved` */
  readonly moved: number;
  /** Flows that would have moved in this step without conntrack: the owner of their slot changed. 0 without a table. */
  readonly stateless: number;
  /** Ended and begun anew; they count in one of the classes as what they are now. */
  readonly renewed: number;
}

export interface FlowReport {
  readonly algorithm: string;
  readonly title: string;
  readonly flows: number;
  readonly steps: readonly FlowStep[];
  /** The table at each step, for pictures; absent without a table. */
  readonly tables?: readonly Uint32Array[];
}

export const MAX_FLOWS = 20_000_000;

/** @throws LbtwinError `invalid-flows`, `invalid-clients`, `invalid-ct-size`, `invalid-share` */
export function checkFlowOptions(options: FlowOptions): void {
  const { flows, clients = 1, ctSize = 1, turnover = 0 } = options;
  const whole = (code: string, name: string, value: number, max: number): void => {
    if (Number.isInteger(value) && value >= 1 && value <= max) return;
    throw new LbtwinError(code, `${value} is out of range`, { path: [name], allowed: `1..${max}` });
  };
  whole('invalid-flows', 'flows', flows, MAX_FLOWS);
  whole('invalid-clients', 'clients', clients, flows);
  whole('invalid-ct-size', 'ctSize', ctSize, 0x7fffffff);
  if (!(turnover >= 0 && turnover <= 1)) {
    throw new LbtwinError('invalid-share', `${turnover} is not a share`, { path: ['turnover'], allowed: '0..1' });
  }
}

const GONE = 0;
const DRAINING = 1;
const ACTIVE = 2;
const NOBODY = 0;

/**
 * Sends live flows through a sequence of backend sets, each flow one packet per step, the way the datapath treats them
 * (docs/maglev.md, "Live flows"): a conntrack entry wins while its backend serves; a flow whose backend is gone is looked up
 * anew, past affinity; a flow without an entry (new, or evicted) asks affinity first, then the table.
 * @param steps from `sequenceOf`; ids are to be small numbers from 1
 * @throws LbtwinError as `checkFlowOptions` and as the algorithm's table
 */
export function simulateFlows(algorithm: Algorithm, steps: readonly SequenceStep[], options: FlowOptions): FlowReport {
  checkFlowOptions(options);
  const world = new FlowWorld(algorithm, steps, options);
  const reports = steps.map((step, i) => (i === 0 ? world.open(step) : world.advance(step)));
  const { name, title } = algorithm;
  const tables = world.tables.length > 0 ? { tables: world.tables } : {};
  return { algorithm: name, title, flows: options.flows, steps: reports, ...tables };
}

/** All state in one place: a column per property of a flow. */
class FlowWorld {
  readonly tables: Uint32Array[] = [];
  private readonly algorithm: Algorithm;
  private readonly tableSize: number;
  private readonly hashSeed: string;
  private readonly jhashSeed: number;
  private readonly random: Random;
  private readonly flows: number;
  private readonly renewals: number;
  private readonly client: Uint32Array;
  private readonly address: Uint32Array;
  private readonly slot: Uint32Array;
  /** Backend id of each flow, and of each client's affinity; 0 is none. */
  private readonly backend: Uint32Array;
  private readonly affinity: Uint32Array | undefined;
  private readonly conntrack: LruOfFlows | undefined;
  private readonly status: Uint8Array;
  private active: Uint32Array = new Uint32Array(0);
  private table: Uint32Array | undefined;

  constructor(algorithm: Algorithm, steps: readonly SequenceStep[], options: FlowOptions) {
    const { flows, clients = Math.max(1, flows >>> 2), ctSize, turnover = 0 } = options;
    this.algorithm = algorithm;
    this.tableSize = options.tableSize ?? DEFAULT_TABLE_SIZE;
    this.hashSeed = options.hashSeed ?? DEFAULT_HASH_SEED;
    this.jhashSeed = parseHashSeed(this.hashSeed).jhash4;
    this.random = seededRandom(options.seed, 0x666c6f77);
    this.flows = flows;
    this.renewals = Math.round(turnover * flows);
    this.address = Uint32Array.from({ length: clients }, () => this.random());
    this.client = new Uint32Array(flows);
    this.slot = new Uint32Array(flows);
    this.backend = new Uint32Array(flows);
    this.affinity = options.affinity === true ? new Uint32Array(clients) : undefined;
    this.conntrack = ctSize !== undefined && ctSize < flows ? new LruOfFlows(flows, ctSize) : undefined;
    const largest = steps.reduce((max, { active }) => active.reduce((m, { id }) => Math.max(m, id), max), 0);
    this.status = new Uint8Array(largest + 1);
  }

  /** The first step: every flow begins. */
  open(step: SequenceStep): FlowStep {
    this.enter(step);
    for (let f = 0; f < this.flows; f++) {
      this.client[f] = f < this.address.length ? f : below(this.random, this.address.length);
      this.begin(f);
    }
    return { ...this.shell(step, undefined), kept: this.flows, renewed: this.flows };
  }

  advance(step: SequenceStep): FlowStep {
    const before = this.table;
    this.enter(step);
    const shell = this.shell(step, before);
    for (let i = 0; i < this.renewals; i++) this.begin(below(this.random, this.flows));
    const counts = this.conntrack === undefined ? this.visitAll(before) : this.visitByLot(this.conntrack, before);
    const [kept, saved, lost, evictedKept, evictedMoved, stateless] = counts as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const moved = lost + evictedMoved;
    const evicted = evictedKept + evictedMoved;
    return {
      ...shell,
      kept,
      saved,
      lost,
      evicted,
      evictedKept,
      evictedMoved,
      moved,
      stateless,
      renewed: this.renewals,
    };
  }

  /** Takes over a step's backends and builds its table. */
  private enter({ active, draining }: SequenceStep): void {
    this.status.fill(GONE);
    for (const id of draining) this.status[id] = DRAINING;
    for (const { id } of active) this.status[id] = ACTIVE;
    this.active = Uint32Array.from(active, ({ id }) => id);
    this.table = this.algorithm.build?.(active, { tableSize: this.tableSize, hashSeed: this.hashSeed });
    if (this.table === undefined) return;
    if (this.table.includes(NO_BACKEND)) {
      throw new LbtwinError(
        'slot-without-backend',
        `${this.algorithm.title} leaves slots without a backend for these weights`,
      );
    }
    this.tables.push(this.table);
  }

  private shell(step: SequenceStep, before: Uint32Array | undefined): FlowStep {
    const zeros = {
      kept: 0,
      saved: 0,
      lost: 0,
      evicted: 0,
      evictedKept: 0,
      evictedMoved: 0,
      moved: 0,
      stateless: 0,
      renewed: 0,
    };
    const base = { label: step.label, active: step.active.length, draining: step.draining.length };
    if (this.table === undefined) return { ...base, ...zeros };
    const { changed, unavoidable, needless } = compareTables(before ?? this.table, this.table, step);
    return { ...base, table: { changed, unavoidable, needless }, ...zeros };
  }

  /** A new connection of flow `f`'s client, from a new port. */
  private begin(f: number): void {
    const port = 32768 + below(this.random, 28232);
    const hash = hashTuple4(
      this.address[this.client[f]!]!,
      this.affinity === undefined ? port : 0,
      80,
      Protocol.TCP,
      this.jhashSeed,
    );
    this.slot[f] = hash % this.tableSize;
    this.backend[f] = this.lookup(f);
    this.remember(f);
    this.conntrack?.touch(f);
  }

  /** What a packet without a usable conntrack entry gets. */
  private lookup(f: number): number {
    const sticky = this.affinity === undefined ? NOBODY : this.affinity[this.client[f]!]!;
    return sticky !== NOBODY && this.status[sticky] === ACTIVE ? sticky : this.choose(f);
  }

  /** The table's choice, or chance. */
  private choose(f: number): number {
    if (this.table !== undefined) return this.table[this.slot[f]!]!;
    return this.active[below(this.random, this.active.length)]!;
  }

  private remember(f: number): void {
    if (this.affinity !== undefined) this.affinity[this.client[f]!] = this.backend[f]!;
  }

  /** Every flow sends a packet, all of them with an entry: the fast case. */
  private visitAll(before: Uint32Array | undefined): number[] {
    const { flows, backend, slot, status, table } = this;
    let kept = 0;
    let lost = 0;
    let stateless = 0;
    for (let f = 0; f < flows; f++) {
      const now = backend[f]!;
      if (table !== undefined && before![slot[f]!] !== table[slot[f]!]) stateless++;
      if (status[now] === GONE) {
        lost++;
        backend[f] = this.choose(f);
      } else if (table === undefined ? status[now] === ACTIVE : table[slot[f]!] === now) kept++;
      if (this.affinity !== undefined) this.remember(f);
    }
    return [kept, flows - kept - lost, lost, 0, 0, stateless];
  }

  /** The same in an order drawn anew each step, through a conntrack that cannot hold all. */
  private visitByLot(conntrack: LruOfFlows, before: Uint32Array | undefined): number[] {
    const { flows, backend, slot, status, table } = this;
    let [kept, saved, lost, evictedKept, evictedMoved, stateless] = [0, 0, 0, 0, 0, 0];
    const stride = strideFor(flows, this.random);
    for (let n = 0, f = below(this.random, flows); n < flows; n++, f += f + stride < flows ? stride : stride - flows) {
      const now = backend[f]!;
      if (table !== undefined && before![slot[f]!] !== table[slot[f]!]) stateless++;
      const tracked = conntrack.has(f);
      if (status[now] === GONE) {
        lost++;
        backend[f] = tracked ? this.choose(f) : this.lookup(f);
      } else if (!tracked) {
        backend[f] = this.lookup(f);
        if (backend[f] === now) evictedKept++;
        else evictedMoved++;
      } else if (table === undefined ? status[now] === ACTIVE : table[slot[f]!] === now) kept++;
      else saved++;
      this.remember(f);
      conntrack.touch(f);
    }
    return [kept, saved, lost, evictedKept, evictedMoved, stateless];
  }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** A step that visits all of 0..n-1 before it comes back. */
function strideFor(n: number, random: Random): number {
  for (;;) {
    const stride = 1 + below(random, n);
    if (gcd(stride, n) === 1) return stride;
  }
}
