import { LbtwinError } from '../errors.ts';
import type { Hop, Journey, Outcome } from './journey.ts';

/** Where the numbers come from that a kernel would draw: random words, and the cookies of UDP sockets. */
export class Choices {
  readonly #words: readonly number[];
  readonly #rest: (() => number) | undefined;
  /** How many were asked for. */
  drawn = 0;

  /** `words` in order, then those of `rest`; without `rest`, one more than there are is an error. */
  constructor(words: readonly number[], rest?: () => number) {
    this.#words = words;
    this.#rest = rest;
  }

  next(): number {
    const word = this.#words[this.drawn] ?? this.#rest?.();
    if (word === undefined) {
      const given = this.#words.length;
      const reason =
        given === 0
          ? 'the kernel draws a random word here'
          : `the kernel draws another word after the ${given} given (for a backend, or for a source port in SNAT)`;
      throw new LbtwinError('random-required', reason, { path: ['random'], allowed: 'the words to draw, or a seed' });
    }
    this.drawn++;
    return word >>> 0;
  }
}

/** A seeded generator of u32 (a 32-bit counter, mixed): equal seeds give equal words. */
export function seededWords(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let word = state ^ (state >>> 16);
    word = Math.imul(word, 0x21f0aaad);
    word ^= word >>> 15;
    word = Math.imul(word, 0x735a2d97);
    return (word ^ (word >>> 15)) >>> 0;
  };
}

/** How many slots the first choice was made among: what the last service that was found before it counts. */
export function choicesIn(hops: readonly Hop[]): number {
  let count = 0;
  for (const hop of hops) {
    for (const event of hop.events) {
      if (event.kind === 'lookup' && event.map === 'services') {
        const found = (event.value as { count?: unknown } | undefined)?.count;
        if (typeof found === 'number') count = found;
      }
      if (event.kind === 'random') return count;
    }
    // A UDP socket chooses by its cookie, without a word.
    if (hop.verdict === 'translated' && count > 0) return count;
  }
  return 0;
}

/** Journeys that differ in what was drawn, as one: what they agree on is known, the rest is told as it varies. */
export function merged(journeys: readonly Journey[]): Journey {
  const first = journeys[0]!;
  const outcomes = journeys.map(({ outcome }) => outcome);
  const candidates = [...new Set(outcomes.map(({ backend }) => backend).filter((one) => one !== undefined))];
  const kinds = [...new Set(outcomes.map(({ kind }) => kind))];
  const alternatives = outcomes;
  if (kinds.length > 1) {
    const told = kinds.map(
      (kind) => `${outcomes.filter((one) => one.kind === kind).length} of ${outcomes.length} ${kind}`,
    );
    const reason = `the backend is drawn at random, and it depends on it: ${told.join(', ')}`;
    return { ...first, outcome: { kind: 'undecided', candidates, reason }, alternatives, ways: journeys };
  }
  return { ...first, outcome: commonOf(outcomes, candidates), alternatives, ways: journeys };
}

function commonOf(outcomes: readonly Outcome[], candidates: readonly string[]): Outcome {
  const first = outcomes[0]!;
  const common: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(first)) {
    const values = outcomes.map((one) => one[key as keyof Outcome]);
    if (values.every((other) => JSON.stringify(other) === JSON.stringify(value))) common[key] = value;
    else if (typeof value === 'string' && (key === 'sourceSeen' || key === 'replySource')) {
      const hosts = new Set(values.map((other) => String(other).replace(/:\d+$/, '')));
      if (hosts.size === 1) common[key] = `${[...hosts][0]}:*`;
    } else if (key === 'reason') common[key] = [...new Set(values.filter((other) => other !== undefined))].join('; ');
  }
  return { ...(common as unknown as Outcome), kind: first.kind, ...(candidates.length > 1 ? { candidates } : {}) };
}
