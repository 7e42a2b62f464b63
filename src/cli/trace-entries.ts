import { type Cluster, type EntryAnswer, entryNodes, type SendSpec, sendToEntries } from '../cluster/index.ts';
import { entriesJson, formatEntries } from '../report/entries.ts';
import { type Args, usageError } from './args.ts';
import { Exit } from './command.ts';
import type { Io } from './io.ts';

/** Outcomes of a packet that got where it should. */
export const ARRIVED: ReadonlySet<string> = new Set(['delivered', 'replied', 'passedToHost']);

/** The answer for every node that may get the packet; undefined where there is no choice of nodes. */
export function askEntries(args: Args, cluster: Cluster, spec: SendSpec, output: string): EntryAnswer | undefined {
  const nodes = entryNodes(cluster, spec);
  if (nodes.length < 2) return undefined;
  const single = output === 'mermaid' || args.string('pcap') !== undefined;
  if (!single) return sendToEntries(cluster, spec, nodes);
  throw usageError(
    `${nodes.length} nodes may get the packet, and a picture or a capture is of one way`,
    `--via ${nodes.slice(0, 12).join('|')} in place of --every-node`,
  );
}

export function printEntries(args: Args, io: Io, answer: EntryAnswer, output: string): number {
  const options = { explain: args.flag('explain'), color: io.color, all: args.flag('all') };
  io.write(
    output === 'json' ? `${JSON.stringify(entriesJson(answer), undefined, 2)}\n` : formatEntries(answer, options),
  );
  const arrives = answer.outcomes.every(({ ways }) => ways.every(({ kind }) => ARRIVED.has(kind)));
  return arrives ? Exit.OK : Exit.NO;
}
