import type { Hop, Journey, Outcome } from '../cluster/journey.ts';
import type { PacketView } from '../cluster/packet-view.ts';
import { explainEvents } from './journey-events.ts';
import { explainOutcome } from './journey-why.ts';
import { indented, textTable } from './table.ts';

export interface JourneyTextOptions {
  /** Tells every step of every program. */
  readonly explain?: boolean;
  readonly color?: boolean;
}

const COLORS: Readonly<Record<string, string>> = { good: '32', bad: '31', unsure: '33' };

function mood({ kind }: Outcome): 'good' | 'bad' | 'unsure' {
  if (kind === 'replied' || kind === 'delivered') return 'good';
  return kind === 'undecided' || kind === 'passedToHost' ? 'unsure' : 'bad';
}

const paint = (text: string, color: string, on: boolean): string => (on ? `\u001b[${color}m${text}\u001b[0m` : text);

/** A packet's journey for people: the outcome, the way, why, and what was assumed. */
export function formatJourney(journey: Journey, options: JourneyTextOptions = {}): string {
  const parts = [`${journey.config}\n${journey.from} -> ${journey.to}\n`, ...journeyParts(journey, options)];
  return [...parts, ...assumedPart(journey.assumptions)].join('\n');
}

export const assumedPart = (assumptions: readonly string[]): string[] =>
  assumptions.length === 0 ? [] : [`assumed\n${assumptions.map((line) => `  - ${line}\n`).join('')}`];

/** The outcome, why, and the way there and back. */
export function journeyParts(
  journey: Journey,
  { explain = false, color = false }: JourneyTextOptions = {},
): readonly string[] {
  const { outcome, hops } = journey;
  const title = paint(headline(outcome), COLORS[mood(outcome)]!, color);
  const parts = [`${title}\n${indented(textTable(facts(outcome, journey.alternatives)))}`];
  const why = explainOutcome(journey);
  if (why.length > 0) parts.push(`why\n${why.map((line) => `  - ${line}\n`).join('')}`);
  for (const direction of ['request', 'reply'] as const) {
    const way = hops.filter((hop) => hop.direction === direction);
    if (way.length === 0) continue;
    const which = (outcome.candidates?.length ?? 0) < 2 ? '' : ', of the first candidate';
    const shown = outcome.kind === 'looped' ? untilRepeated(way) : way;
    const rest = shown.length < way.length ? `  … and so on, until it is given up after ${way.length} hops\n` : '';
    const title = direction === 'request' ? 'the way there' : 'the way back';
    parts.push(`${title}${which}\n${formatWay(shown, explain)}${rest}`);
  }
  return parts;
}

const TITLES: Readonly<Record<Outcome['kind'], string>> = {
  delivered: 'delivered',
  replied: 'delivered, and the answer comes home',
  rejected: 'rejected: an ICMP error comes back',
  dropped: 'dropped',
  socketError: 'the system call fails',
  wrongSource: 'delivered, but the client discards the answer: it comes from the wrong address',
  passedToHost: 'left to the host',
  looped: 'lost in a loop',
  undecided: 'undecided',
};

function headline(outcome: Outcome): string {
  const { kind, dropReason, errno } = outcome;
  if (kind === 'passedToHost' && outcome.pod !== undefined) return 'left to the pod itself';
  if (kind === 'dropped' && dropReason !== undefined) {
    const which = dropReason.ofReply === true ? 'the answer is dropped' : 'dropped';
    const code = dropReason.code === 0 ? '' : ` (${dropReason.code})`;
    return `${which} by ${dropReason.hook} of ${dropReason.node}: ${dropReason.name}${code}`;
  }
  return kind === 'socketError' ? `${TITLES[kind]}: ${errno ?? ''}` : TITLES[kind];
}

/** The hops of a packet that goes round, to where it has gone round once. */
function untilRepeated(hops: readonly Hop[]): readonly Hop[] {
  const seen = new Set<string>();
  const end = hops.findIndex(({ node, hook, before }) => {
    const place = `${node} ${hook} ${before === undefined ? '' : arrow(before)}`;
    if (seen.has(place)) return true;
    seen.add(place);
    return false;
  });
  return end < 0 ? hops : hops.slice(0, end);
}

const MAX_CANDIDATES = 20;

/** A line for each candidate: its pod and node, and what of the outcome is not common to all. */
function candidateRows(common: Outcome, alternatives: readonly Outcome[]): string[] {
  const first = new Map<string, Outcome>();
  for (const one of alternatives) if (one.backend !== undefined) first.set(one.backend, one);
  const rows = [...first.values()]
    .slice(0, MAX_CANDIDATES)
    .map((one) => [
      one.backend!,
      one.pod ?? '',
      one.node === undefined ? '' : `on ${one.node}`,
      common.sourceSeen === undefined && one.sourceSeen !== undefined ? `sees ${one.sourceSeen}` : '',
      common.kind === one.kind ? '' : headline(one),
    ]);
  const lines = textTable(rows).trimEnd().split('\n');
  return first.size > MAX_CANDIDATES ? [...lines, `… and ${first.size - MAX_CANDIDATES} more`] : lines;
}

function facts(outcome: Outcome, alternatives: readonly Outcome[] | undefined): string[][] {
  const rows: string[][] = [];
  const add = (name: string, value: string | undefined): void =>
    void (value === undefined ? 0 : rows.push([name, value]));
  const place =
    outcome.pod === undefined ? undefined : `${outcome.pod}${outcome.node === undefined ? '' : ` on ${outcome.node}`}`;
  add(
    'backend',
    outcome.backend === undefined ? undefined : place === undefined ? outcome.backend : `${outcome.backend}  ${place}`,
  );
  if (outcome.candidates !== undefined && outcome.candidates.length > 0) {
    const lines = candidateRows(outcome, alternatives ?? []);
    lines.forEach((line, i) => add(i === 0 ? 'candidates' : '', line.trimEnd()));
  }
  add('source it sees', outcome.sourceSeen);
  add('answer comes from', outcome.replySource);
  add('translated at', outcome.translatedAt === undefined ? undefined : `the ${outcome.translatedAt}`);
  add('ICMP', outcome.icmp);
  return rows;
}

const arrow = ({ source, destination }: PacketView): string => `${source} -> ${destination}`;

/** What a hop changed, in short. */
function change({ before, after, drop }: Hop): string {
  if (drop !== undefined && after === undefined) return `dropped: ${drop.name}`;
  if (before === undefined || after === undefined) return '';
  const parts: string[] = [];
  if (arrow(before) !== arrow(after)) parts.push(arrow(after));
  const outer = after.outer?.[0];
  if (outer !== undefined && before.outer?.[0] === undefined)
    parts.push(`in ${outer.by} ${outer.source} -> ${outer.destination}`);
  if (outer === undefined && before.outer !== undefined) parts.push(`out of ${before.outer[0]!.by}`);
  if (after.dsr !== undefined && before.dsr === undefined) parts.push(`DSR ${after.dsr}`);
  if (after.icmp !== undefined && after.icmp !== before.icmp) parts.push(`ICMP ${after.icmp}`);
  return parts.join(', ');
}

function formatWay(hops: readonly Hop[], explain: boolean): string {
  const rows = hops.map((hop, i) => [
    String(i + 1),
    hop.node,
    hop.hook,
    hop.before === undefined ? '' : arrow(hop.before),
    hop.verdict,
    change(hop),
  ]);
  const lines = textTable(rows, new Set([0]))
    .trimEnd()
    .split('\n');
  return hops
    .map((hop, i) => {
      const steps = explain ? explainEvents(hop.events) : [];
      return `  ${lines[i]!}\n${steps.map((step) => `       ${step}\n`).join('')}`;
    })
    .join('');
}

/** The journey as JSON says it: views and map entries, without the frames' bytes. */
export function journeyJson(journey: Journey): unknown {
  const { config, assumptions, from, to, service, outcome, alternatives, hops } = journey;
  return {
    config,
    assumptions,
    from,
    to,
    ...(service === undefined ? {} : { service }),
    outcome,
    ...(alternatives === undefined ? {} : { alternatives }),
    why: explainOutcome(journey),
    hops: hops.map(({ node, hook, direction, before, after, verdict, drop, reads, writes }) => ({
      node,
      hook,
      direction,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      verdict,
      ...(drop === undefined ? {} : { drop }),
      reads: reads.map(accessJson),
      writes: writes.map(accessJson),
    })),
  };
}

/** A missing value is null: JSON would leave it out. */
const accessJson = ({ map, key, value }: { map: string; key: unknown; value: unknown }): unknown => ({
  map,
  key,
  value: value ?? null,
});

/** A sequence diagram in Mermaid's language, as GitHub draws it. */
export function journeyMermaid(journey: Journey): string {
  const { hops, outcome } = journey;
  const client = journey.from.replace(/[;#]/g, ' ');
  const lines = ['sequenceDiagram', `  participant C as ${client}`];
  const places = new Map<string, string>();
  for (const { node } of hops) {
    if (!places.has(node)) places.set(node, `N${places.size + 1}`);
  }
  for (const [node, id] of places) lines.push(`  participant ${id} as ${node}`);
  let last = 'C';
  for (const hop of hops) {
    const id = places.get(hop.node)!;
    const packet = hop.before === undefined ? '' : arrow(hop.before);
    if (id !== last) lines.push(`  ${last}->>${id}: ${safe(packet)}`);
    const note = [hop.hook, change(hop)].filter((text) => text !== '').join(': ');
    lines.push(`  Note over ${id}: ${safe(note)}`);
    last = id;
  }
  const end = hops.at(-1)?.after;
  if (outcome.kind === 'replied' || outcome.kind === 'wrongSource' || outcome.kind === 'rejected') {
    lines.push(`  ${last}->>C: ${safe(end === undefined ? '' : arrow(end))}`);
  }
  lines.push(`  Note over C: ${safe(headline(outcome))}`);
  return `${lines.join('\n')}\n`;
}

/** Semicolons and hash signs end statements or begin entities in Mermaid. */
const safe = (text: string): string => text.replaceAll('#', '#35;').replaceAll(';', '#59;');
