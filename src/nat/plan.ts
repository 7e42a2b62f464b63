import { LbtwinError } from '../errors.ts';
import type { Random } from './nat.ts';
import { clampPort, keepPort, nextPort, SNAT_ATTEMPTS, SNAT_SIGNAL_THRESHOLD } from './ports.ts';

/** What the next new flow can expect, given the ports that are taken: exact, over all random words it may draw. */
export interface PortOdds {
  /** Probability of no mapping. */
  readonly fails: number;
  /** Probability of more than 16 failed attempts: the agent is signalled. */
  readonly signals: number;
  /** Expected number of failed attempts, 0..32. */
  readonly failedAttempts: number;
}

/**
 * The ports of one SNAT address towards one remote address, remote port and protocol: what flows to one destination share. The
 * search is that of `Nat.newMapping`.
 */
export class PortSpace {
  readonly minPort: number;
  readonly maxPort: number;
  /** Ports taken. */
  used = 0;
  readonly #taken: Uint8Array;
  /** How many of the 65536 words clamp to each port. */
  readonly #weight: Uint32Array;
  /** The port that is tried after each, counted from the first. */
  readonly #next: Uint16Array;
  readonly #path: Uint16Array;
  /** How many ports in a row are taken along the search from each port on, as far as the attempts go. */
  readonly #runs: Uint8Array;

  constructor(minPort: number, maxPort: number) {
    this.minPort = minPort;
    this.maxPort = maxPort;
    const ports = maxPort - minPort + 1;
    this.#taken = new Uint8Array(ports);
    this.#weight = new Uint32Array(ports);
    this.#runs = new Uint8Array(ports);
    this.#path = new Uint16Array(ports);
    this.#next = Uint16Array.from(
      { length: ports },
      (_, at) => clampPort(minPort, maxPort, (minPort + at + 1) & 0xffff) - minPort,
    );
    for (let word = 0; word < 0x1_0000; word++) this.#weight[clampPort(minPort, maxPort, word) - minPort]!++;
  }

  get size(): number {
    return this.#taken.length;
  }

  /** Takes a port for a flow from source port `sport`; -1 if the search fails. */
  allocate(sport: number, random: Random): number {
    const { minPort, maxPort } = this;
    let port = keepPort(minPort, maxPort, sport, random);
    for (let attempt = 0; attempt < SNAT_ATTEMPTS; attempt++) {
      if (this.take(port)) return port;
      port = nextPort(minPort, maxPort, port, attempt, random);
    }
    return -1;
  }

  /** Takes one port; false if it is taken already. */
  take(port: number): boolean {
    const at = port - this.minPort;
    if (this.#taken[at] !== 0) return false;
    this.#taken[at] = 1;
    this.used++;
    return true;
  }

  /** Gives a port back. */
  release(port: number): void {
    const at = port - this.minPort;
    this.used -= this.#taken[at]!;
    this.#taken[at] = 0;
  }

  /**
   * The fewest taken ports with which a flow can fail: as many as the search visits where it goes in the smallest circle. 16
   * for the default range, 31 for one in which it is linear.
   */
  fewestToFail(): number {
    let fewest = SNAT_ATTEMPTS - 1;
    const seenFrom = new Uint32Array(this.size);
    for (let start = 0; start < this.size; start++) {
      let at = start;
      while (seenFrom[at] === 0) {
        seenFrom[at] = start + 1;
        at = this.#next[at]!;
      }
      if (seenFrom[at] !== start + 1) continue;
      let length = 1;
      for (let other = this.#next[at]!; other !== at; other = this.#next[other]!) length++;
      fewest = Math.min(fewest, length);
    }
    return fewest;
  }

  /** Gives all ports back. */
  clear(): void {
    this.#taken.fill(0);
    this.used = 0;
  }

  /** The odds of a flow whose source port is any of `sourceMin..sourceMax`, each equally likely. */
  odds(sourceMin: number, sourceMax: number): PortOdds {
    const first = this.#firstTaken(sourceMin, sourceMax);
    this.#measureRuns();
    const chain = SNAT_ATTEMPTS - 1;
    let failed = 0;
    let signalled = 0;
    let attempts = 0;
    const runs = this.#runs;
    const weights = this.#weight;
    for (let at = 0; at < runs.length; at++) {
      const run = runs[at]!;
      const weight = weights[at]!;
      if (run >= chain) failed += weight;
      if (run >= SNAT_SIGNAL_THRESHOLD) signalled += weight;
      attempts += weight * run;
    }
    const share = first / 0x1_0000;
    return { fails: share * failed, signals: share * signalled, failedAttempts: first + share * attempts };
  }

  /** Probability that the first candidate is taken. */
  #firstTaken(sourceMin: number, sourceMax: number): number {
    let kept = 0;
    let outside = 0;
    for (let port = sourceMin; port <= sourceMax; port++) {
      if (port < this.minPort || port > this.maxPort) outside++;
      else kept += this.#taken[port - this.minPort]!;
    }
    let random = 0;
    if (outside > 0) for (let at = 0; at < this.size; at++) random += this.#taken[at]! * this.#weight[at]!;
    return (kept + (outside * random) / 0x1_0000) / (sourceMax - sourceMin + 1);
  }

  // Each port's successor in the search is fixed, so a run is one more than its successor's; a circle of taken ports never ends.
  #measureRuns(): void {
    const UNKNOWN = 255;
    const OPEN = 254;
    const cap = SNAT_ATTEMPTS - 1;
    const runs = this.#runs.fill(UNKNOWN);
    const taken = this.#taken;
    const path = this.#path;
    for (let start = 0; start < runs.length; start++) {
      let at = start;
      let length = 0;
      while (runs[at] === UNKNOWN && taken[at] !== 0) {
        runs[at] = OPEN;
        path[length++] = at;
        at = this.#next[at]!;
      }
      if (runs[at] === UNKNOWN) runs[at] = 0;
      let run = runs[at] === OPEN ? cap : runs[at]!;
      while (length > 0) {
        run = Math.min(cap, run + 1);
        runs[path[--length]!] = run;
      }
    }
  }
}

export interface SnatPlanOptions {
  readonly minPort: number;
  readonly maxPort: number;
  /** Source ports of the flows, each equally likely. */
  readonly sourceMin: number;
  readonly sourceMax: number;
  /** Ports that other flows to the same destination hold from the start, at random. */
  readonly occupied: number;
  /** How often the filling is repeated with other random words. */
  readonly runs: number;
  readonly random: Random;
}

/** The state with `flows` flows mapped, averaged over the runs. */
export interface SnatPlanPoint extends PortOdds {
  readonly flows: number;
  /** Probability that at least one flow failed on the way here. A flow that fails is replaced by one from another source port. */
  readonly anyFailed: number;
}

/** Points of a plan: at most this many steps from empty to full. */
const STEPS = 256;
/** A run ends where more than this share of new flows fail. */
const GIVE_UP = 0.9;
/** Or when this many in a row fail: odds close to 1 between two points. */
const MOST_FAILURES = 4096;

/**
 * Fills the ports towards one destination flow by flow, by the allocator itself, and tells what the next flow can expect on the
 * way: one point every `ports / 256` flows (at least 1), from 0 on, and one at each of `marks`. Ends
 * where the first run loses more than nine of ten new flows.
 * @throws LbtwinError `invalid-option`
 */
export function planSnat(options: SnatPlanOptions, marks: readonly number[] = []): SnatPlanPoint[] {
  const ports = options.maxPort - options.minPort + 1;
  if (options.occupied > ports) {
    throw new LbtwinError('invalid-option', `${options.occupied} ports are more than there are`, {
      path: ['occupied'],
      allowed: `0..${ports}`,
    });
  }
  const step = Math.max(1, Math.floor(ports / STEPS));
  const stops = [...new Set([...Array.from({ length: STEPS + 1 }, (_, i) => i * step), ...marks])].sort(
    (a, b) => a - b,
  );
  const all: SnatPlanPoint[][] = [];
  for (let run = 0; run < options.runs; run++) all.push(fill(options, stops));
  const length = Math.min(...all.map((points) => points.length));
  return Array.from({ length }, (_, i) => average(all.map((points) => points[i]!)));
}

function fill(options: SnatPlanOptions, stops: readonly number[]): SnatPlanPoint[] {
  const { random, sourceMin, sourceMax } = options;
  const space = new PortSpace(options.minPort, options.maxPort);
  while (space.used < options.occupied) space.take(clampPort(options.minPort, options.maxPort, random() & 0xffff));
  const points: SnatPlanPoint[] = [];
  let flows = 0;
  let allWell = 1;
  for (const stop of stops) {
    let failures = 0;
    while (flows < stop && failures < MOST_FAILURES) {
      const sport = sourceMin + Math.floor((random() / 0x1_0000_0000) * (sourceMax - sourceMin + 1));
      if (space.allocate(sport, random) < 0) failures++;
      else {
        flows++;
        failures = 0;
      }
    }
    if (flows < stop) break;
    const odds = space.odds(sourceMin, sourceMax);
    const previous = points.at(-1);
    if (previous !== undefined) allWell *= (1 - (previous.fails + odds.fails) / 2) ** (stop - previous.flows);
    points.push({ flows, anyFailed: 1 - allWell, ...odds });
    if (odds.fails > GIVE_UP) break;
  }
  return points;
}

function average(points: readonly SnatPlanPoint[]): SnatPlanPoint {
  const mean = (field: keyof SnatPlanPoint): number =>
    points.reduce((sum, point) => sum + point[field], 0) / points.length;
  return {
    flows: points[0]!.flows,
    fails: mean('fails'),
    signals: mean('signals'),
    failedAttempts: mean('failedAttempts'),
    anyFailed: mean('anyFailed'),
  };
}

/** The largest number of flows up to which every point of a plan keeps `fails` at or below `probability`; -1 if none. */
export function flowsWithin(points: readonly SnatPlanPoint[], probability: number): number {
  const over = points.findIndex((point) => point.fails > probability);
  return (over < 0 ? points.at(-1) : points[over - 1])?.flows ?? -1;
}
