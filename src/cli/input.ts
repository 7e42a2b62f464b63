import { LbtwinError } from '../errors.ts';
import { formatUnused, type ObjectBatch, readObjects } from '../k8s/read.ts';
import { type Args, usageError } from './args.ts';
import { expandFolder, readText } from './files.ts';
import type { Io } from './io.ts';

const PROGRESS_FROM = 4_000_000;
const MAX_LINES = 20;

/** Reads the objects of `-f`. What was refused, left aside or odd is told on standard error. */
export async function readInput(args: Args, io: Io): Promise<ObjectBatch> {
  const names = args.strings('file');
  if (names.length === 0) throw usageError('-f is missing', '-f FILE..., a folder, or - for standard input');
  return readFiles(names, args.flag('strict'), io);
}

/** @throws LbtwinError `unreadable-file`, `no-objects` and those of `readObjects` */
export async function readFiles(names: readonly string[], strict: boolean, io: Io): Promise<ObjectBatch> {
  let batch: ObjectBatch | undefined;
  for (const name of names.flatMap(expandFolder)) {
    const text = await readText(name, io);
    const shown = name === '-' ? 'standard input' : name;
    const progress = (read: number): void => io.warn(`\rreading ${shown}: ${Math.floor((100 * read) / text.length)} %`);
    const big = io.progress && text.length > PROGRESS_FROM;
    batch = readObjects(shown, text, { strict, ...(big ? { progress } : {}) }, batch);
    if (big) io.warn('\r\u001b[K');
  }
  if (batch === undefined) throw usageError('-f is missing');
  tell(batch, io);
  if (batch.objects.length === 0) {
    throw new LbtwinError('no-objects', `${names.join(', ')}: no object that lbtwin uses`, {
      allowed: 'kubectl get svc,endpointslices,nodes,pods,namespaces -A -o yaml',
    });
  }
  return batch;
}

function tell(batch: ObjectBatch, io: Io): void {
  const lines = [
    ...batch.refused.map((error) => `refused: ${error.message}`),
    ...batch.notes.map((note) => `note: ${note}`),
  ];
  for (const line of lines.slice(0, MAX_LINES)) io.warn(`lbtwin: ${line}\n`);
  if (lines.length > MAX_LINES) io.warn(`lbtwin: … and ${lines.length - MAX_LINES} more\n`);
  if (batch.unused.size > 0) io.warn(`lbtwin: not used: ${formatUnused(batch.unused)}\n`);
}
