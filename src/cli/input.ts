import { type ErrorPath, formatPath, LbtwinError } from '../errors.ts';
import type { ChangeReport } from '../k8s/control-plane.ts';
import { formatRef, type ObjectRef, type Warning } from '../k8s/objects/fields.ts';
import { visitObjects } from '../k8s/objects/read.ts';
import { describeObject, type RawObject } from '../k8s/raw.ts';
import { formatUnused, locateError, type ObjectBatch, positionOf, readObjects } from '../k8s/read.ts';
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
  tellLines(
    repeated(batch).map((line) => `note: ${line}`),
    io,
  );
  if (batch.objects.length === 0) {
    throw new LbtwinError('no-objects', `${names.join(', ')}: no object that lbtwin uses`, {
      allowed: 'kubectl get svc,endpointslices,nodes,pods,namespaces -A -o yaml',
    });
  }
  return batch;
}

function tellLines(lines: readonly string[], io: Io): void {
  for (const line of lines.slice(0, MAX_LINES)) io.warn(`lbtwin: ${line}\n`);
  if (lines.length > MAX_LINES) io.warn(`lbtwin: … and ${lines.length - MAX_LINES} more\n`);
}

function tell(batch: ObjectBatch, io: Io): void {
  const lines = [
    ...batch.refused.map((error) => `refused: ${error.message}`),
    ...batch.notes.map((note) => `note: ${note}`),
  ];
  tellLines(lines, io);
  if (batch.unused.size > 0) io.warn(`lbtwin: not used: ${formatUnused(batch.unused)}\n`);
}

type Refusals = Pick<ChangeReport, 'refused' | 'conflicts' | 'warnings'>;

/** The same for commands that run no control plane on all objects: what is refused for its own sake. */
export function checkShapes(batch: ObjectBatch, args: Args, io: Io): void {
  const warnings: Warning[] = [];
  const { refused } = visitObjects(batch.objects, warnings, () => {});
  checkObjects({ refused, warnings, conflicts: [] }, batch, args, io);
}

/** Objects that are there more than once; the last one counts. */
function repeated(batch: ObjectBatch): string[] {
  const seen = new Map<string, RawObject>();
  const lines: string[] = [];
  for (const object of batch.objects) {
    const { kind, apiVersion, metadata } = object;
    const key = `${apiVersion} ${kind} ${metadata.namespace ?? ''}/${metadata.name}`;
    const first = seen.get(key);
    seen.set(key, object);
    if (first === undefined) continue;
    const where = place(batch, first).replace(/: $/, '');
    lines.push(`${place(batch, object)}${describeObject(object)}: is there already at ${where}; the later one counts`);
  }
  return lines;
}

/**
 * Tells on standard error what the control plane refused or found odd in the objects, with file, line and column.
 * @throws InputError with `--strict`, for the first object refused
 */
export function checkObjects(report: Refusals, batch: ObjectBatch, args: Args, io: Io): void {
  const sourceOf = sources(batch);
  const lines: string[] = [];
  for (const { object, raw: given, error } of report.refused) {
    const raw = batch.origins.has(given as RawObject) ? (given as RawObject) : sourceOf(object);
    const located = raw === undefined ? error : locateError(error, raw, batch.origins.get(raw)!);
    if (args.flag('strict')) throw located;
    lines.push(`refused: ${raw === undefined ? `${formatRef(object)}: ` : ''}${located.message}`);
  }
  for (const { object, address, owner } of report.conflicts) {
    lines.push(
      `refused: ${place(batch, sourceOf(object))}${formatRef(object)}: ${address} belongs to ${owner}, as the agent would say`,
    );
  }
  for (const { object, path, message } of report.warnings) {
    const where = path.length > 0 ? `${formatPath(path)}: ` : '';
    lines.push(`note: ${place(batch, sourceOf(object), path)}${formatRef(object)}: ${where}${message}`);
  }
  tellLines(lines, io);
}

function place(batch: ObjectBatch, raw: RawObject | undefined, path: ErrorPath = []): string {
  const origin = raw === undefined ? undefined : batch.origins.get(raw);
  if (origin === undefined) return '';
  const { line, column } = positionOf(origin, path);
  return `${origin.source.name}:${line}:${column}: `;
}

/** Where a path into an object stands, as `file:line:column: `; empty for an object that was not read. */
export function placeOf(batch: ObjectBatch): (object: ObjectRef, path: ErrorPath) => string {
  const sourceOf = sources(batch);
  return (object, path) => place(batch, sourceOf(object), path);
}

/** The object that a reference means; of several by one name the last, which is the one that counts. */
function sources(batch: ObjectBatch): (ref: ObjectRef) => RawObject | undefined {
  let byRef: Map<string, RawObject> | undefined;
  const key = (kind: string, namespace: string, name: string): string => `${kind} ${namespace}/${name}`;
  return ({ kind, namespace, name }) => {
    byRef ??= new Map(
      batch.objects.map((raw) => [key(raw.kind, raw.metadata.namespace ?? 'default', raw.metadata.name), raw]),
    );
    return byRef.get(key(kind, namespace || 'default', name));
  };
}
