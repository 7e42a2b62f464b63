import type { EntryAnswer, EntryOutcome, EntryWay } from '../cluster/entries.ts';
import type { Outcome } from '../cluster/journey.ts';
import { assumedPart, journeyJson, journeyParts, type JourneyTextOptions } from './journey.ts';
import { indented, textTable } from './table.ts';

export interface EntriesTextOptions extends JourneyTextOptions {
  /** Explains every outcome; otherwise one of those that differ in the backend alone. */
  readonly all?: boolean;
}

const RESULTS: Readonly<Record<Outcome['kind'], string>> = {
  delivered: 'delivered',
  replied: 'answered',
  rejected: 'rejected',
  dropped: 'dropped',
  socketError: 'the system call fails',
  wrongSource: 'answered from the wrong address',
  passedToHost: 'left to the host',
  looped: 'lost in a loop',
  undecided: 'undecided',
};

function resultText({ kind, drop, dropAt, icmp }: EntryWay): string {
  if (drop !== undefined) {
    const code = drop.code === 0 ? '' : ` (${drop.code})`;
    const where = dropAt === 'receiving node' ? '' : ` at ${dropAt === "backend's node" ? `the ${dropAt}` : dropAt}`;
    return `${drop.ofReply === true ? 'the answer is dropped' : 'dropped'}${where}: ${drop.name}${code}`;
  }
  return icmp === undefined ? RESULTS[kind] : `${RESULTS[kind]}: ${icmp}`;
}

function sourceText({ source, sourceDetail }: EntryWay): string {
  if (source === undefined) return '-';
  if (source === 'client') return 'the client';
  if (source === 'other') return sourceDetail!;
  if (sourceDetail === undefined) return 'the receiving node';
  return `the receiving node, ${sourceDetail === '*' ? 'a port that is drawn' : `port ${sourceDetail}`}`;
}

const replyText = ({ replyBy }: EntryWay): string =>
  replyBy.length === 0
    ? '-'
    : replyBy.map((one) => (one === 'receiving node' || one === "backend's node" ? `the ${one}` : one)).join(', ');

/** What the ways of an outcome say, each once. */
const either = (ways: readonly EntryWay[], text: (way: EntryWay) => string): string =>
  [...new Set(ways.map(text))].join(' or ');

const MAX_NAMES = 6;

function nodesText(names: readonly string[], all: number): string {
  if (names.length === all) return `all ${all}`;
  const shown = names.slice(0, MAX_NAMES).join(', ');
  return names.length > MAX_NAMES ? `${shown} and ${names.length - MAX_NAMES} more` : shown;
}

function backendText({ backends, journey }: EntryOutcome): string {
  if (backends.length > 1) return `one of ${backends.length}`;
  const { pod } = journey.outcome;
  return backends.length === 0 ? '-' : `${backends[0]}${pod === undefined ? '' : `  ${pod}`}`;
}

/** What becomes of a packet at each node that may get it: a line for each outcome, and how it comes about. */
export function formatEntries(answer: EntryAnswer, { all = false, ...options }: EntriesTextOptions = {}): string {
  const { outcomes, nodes } = answer;
  const answered = outcomes.some(({ ways }) => ways.some(({ replyBy }) => replyBy.length > 0));
  const table = [
    ['node', 'backend', 'source it sees', ...(answered ? ['answer goes by'] : []), 'result'],
    ...outcomes.map((one) => [
      nodesText(one.nodes, nodes.length),
      backendText(one),
      either(one.ways, sourceText),
      ...(answered ? [either(one.ways, replyText)] : []),
      either(one.ways, resultText),
    ]),
  ];
  const parts = [
    `${answer.config}\n${answer.from} -> ${answer.to}\n`,
    `at each of the ${nodes.length} nodes that may get the packet\n${indented(textTable(table))}`,
  ];
  const told = new Set<string>();
  let left = 0;
  for (const { nodes: where, journey, pattern } of outcomes) {
    if (told.has(pattern) && !all) left++;
    else {
      const others = where.length === 1 ? '' : `, as at ${where.length - 1} other${where.length === 2 ? '' : 's'}`;
      parts.push(`at ${where[0]}${others}\n${indented(journeyParts(journey, options).join('\n'))}`);
    }
    told.add(pattern);
  }
  if (left > 0) {
    parts.push(
      `${left === 1 ? '1 outcome differs' : `${left} outcomes differ`} from one of these in the backend alone: --all explains each, --via NODE that of a node\n`,
    );
  }
  return [...parts, ...assumedPart(answer.assumptions)].join('\n');
}

/** The same for programs. */
export function entriesJson({ config, assumptions, from, to, nodes, outcomes }: EntryAnswer): unknown {
  return {
    config,
    assumptions,
    from,
    to,
    nodes,
    outcomes: outcomes.map((one) => ({
      nodes: one.nodes,
      backends: one.backends,
      result: either(one.ways, resultText),
      ways: one.ways,
      journey: journeyJson(one.journey),
    })),
  };
}
