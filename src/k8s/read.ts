import type { ErrorPath, LbtwinError } from '../errors.ts';
import { JsonScanner, JsonSyntaxError } from './json-scan.ts';
import { describeObject, isConfigMapOfCilium, isUsedKind, type RawObject } from './raw.ts';
import { InputError, type Origin, type Position, SourceText } from './source.ts';
import { splitDocuments, splitList, type YamlPart } from './split.ts';
import { locateInYaml, oddScalars, readYamlPiece, type YamlProblem } from './yaml.ts';

export interface ReadOptions {
  /** Refuse everything if one object is broken; otherwise it goes to `refused` and the rest is read. Default false. */
  readonly strict?: boolean;
  /** Called now and then with the number of characters read so far. */
  readonly progress?: (read: number) => void;
}

/** What a text, or several, held. */
export interface ObjectBatch {
  /** Objects of the kinds that lbtwin uses, in the order of the text. */
  readonly objects: RawObject[];
  /** Where each of `objects` was read. */
  readonly origins: Map<RawObject, Origin>;
  /** How many objects of other kinds there were, by `Kind` (core API) or `Kind.group`. */
  readonly unused: Map<string, number>;
  /** Objects that could not be used, one error each. */
  readonly refused: InputError[];
  /** What a careful reader would point out: scalars that do not mean what they look like. */
  readonly notes: string[];
}

const emptyBatch = (): ObjectBatch => ({ objects: [], origins: new Map(), unused: new Map(), refused: [], notes: [] });

/**
 * Reads Kubernetes objects from text: YAML (several documents, `List`s and typed lists) or JSON (one value or several).
 * `name` is the file's name, for messages.
 * @param into a batch to add to; left as it was if this throws
 * @throws InputError `empty-input`, `invalid-yaml`, `invalid-json`, `truncated-input`; with `strict` also `invalid-object`
 */
export function readObjects(name: string, text: string, options: ReadOptions = {}, into?: ObjectBatch): ObjectBatch {
  const source = new SourceText(name, text.startsWith('\ufeff') ? text.slice(1) : text);
  if (text.length === 0) throw new InputError('empty-input', 'the file is empty (0 bytes)', { file: name });
  const reader = new Reader(source, options);
  reader.read();
  const { batch } = reader;
  if (into === undefined) return batch;
  for (const object of batch.objects) into.objects.push(object);
  for (const [object, origin] of batch.origins) into.origins.set(object, origin);
  for (const [kind, count] of batch.unused) into.unused.set(kind, (into.unused.get(kind) ?? 0) + count);
  into.refused.push(...batch.refused);
  into.notes.push(...batch.notes);
  return into;
}

/** Where `path` within an object stands in its text. */
export function positionOf(origin: Origin, path: ErrorPath): Position {
  const full = [...origin.inner, ...path];
  const { source, start, end } = origin;
  if (origin.format === 'json') return source.position(new JsonScanner(source.text).locate(start, full));
  return source.position(start + locateInYaml(source.text.slice(start, end), origin.document, full));
}

/** An error about an object, told with file, object, path, line and column. */
export function locateError(error: LbtwinError, object: RawObject, origin: Origin): InputError {
  return new InputError(error.code, error.reason, {
    file: origin.source.name,
    position: positionOf(origin, error.path),
    object: describeObject(object),
    path: error.path,
    ...(error.allowed === undefined ? {} : { allowed: error.allowed }),
    cause: error,
  });
}

type Mapping = Record<string, unknown>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const describe = (value: unknown): string =>
  Array.isArray(value) ? 'a list' : value === null ? 'nothing' : isMapping(value) ? 'a mapping' : JSON.stringify(value);

const MAX_NOTES = 20;

class Reader {
  readonly batch: ObjectBatch = emptyBatch();
  private readonly source: SourceText;
  private readonly options: ReadOptions;

  constructor(source: SourceText, options: ReadOptions) {
    this.source = source;
    this.options = options;
  }

  read(): void {
    const { text } = this.source;
    const first = /\S/.exec(text)?.[0];
    if ((first === '{' || first === '[') && this.readJson()) return;
    const parts = splitDocuments(text) ?? [{ start: 0, end: text.length }];
    for (const part of parts) this.readDocument(part);
  }

  /** False if the text is no JSON but YAML in braces. */
  private readJson(): boolean {
    const { text } = this.source;
    const origin = (start: number, end: number): Origin => ({
      source: this.source,
      format: 'json',
      start,
      end,
      document: 0,
      inner: [],
    });
    try {
      this.document(JSON.parse(text), origin(0, text.length));
      return true;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    // Not one value: several, one after the other, or broken.
    const scanner = new JsonScanner(text);
    const ends: number[] = [];
    try {
      for (let at = scanner.space(0); at < text.length; at = scanner.space(ends.at(-1)!)) ends.push(scanner.skip(at));
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
      if (text.length < 1 << 20 && !('problem' in readYamlPiece(text))) return false;
      const code = error.offset >= text.length ? 'truncated-input' : 'invalid-json';
      throw this.error(code, error.message, error.offset);
    }
    let start = 0;
    for (const end of ends) {
      this.document(JSON.parse(text.slice(start, end)), origin(start, end));
      start = end;
    }
    return true;
  }

  private readDocument(part: YamlPart): void {
    const list = splitList(this.source.text, part);
    if (list === undefined || !this.readSplitList(part, list.items, [list.before, list.after])) this.readWhole(part);
  }

  private readWhole(part: YamlPart): void {
    const piece = readYamlPiece(this.source.text.slice(part.start, part.end));
    if ('problem' in piece) {
      this.refuseYaml(piece.problem, part.start, piece.problem.syntax);
      return;
    }
    this.note(part, piece.events);
    piece.documents.forEach((value, document) => {
      if (value !== null) this.document(value, { source: this.source, format: 'yaml', ...part, document, inner: [] });
    });
  }

  /** False if the parts cannot be read apart: then the whole document tells what is wrong, or is right after all. */
  private readSplitList(part: YamlPart, items: readonly YamlPart[], around: readonly YamlPart[]): boolean {
    const { text } = this.source;
    // The list without its items, for its kind; line breaks aside, that is what stands around them.
    const frame = readYamlPiece(around.map(({ start, end }) => text.slice(start, end)).join(''));
    if ('problem' in frame || frame.documents.length !== 1 || !isMapping(frame.documents[0])) return false;
    const list = frame.documents[0];
    this.checkList(list, part.end);
    if (!isListKind(list['kind'])) return false;
    let reported = part.start;
    for (const item of items) {
      const piece = readYamlPiece(text.slice(item.start, item.end));
      if ('problem' in piece) {
        const { syntax, reason } = piece.problem;
        if (syntax || reason.startsWith('unidentified alias')) return this.forget();
        this.refuseYaml(piece.problem, item.start, false);
        continue;
      }
      const [sequence] = piece.documents;
      if (!Array.isArray(sequence) || sequence.length !== 1) return this.forget();
      this.note(item, piece.events);
      this.object(sequence[0], { source: this.source, format: 'yaml', ...item, document: 0, inner: [0] }, list);
      if (item.end - reported > 1 << 20) {
        reported = item.end;
        this.options.progress?.(item.end);
      }
    }
    return true;
  }

  /** Drops what the current text gave so far in favour of reading it again in another way. */
  private forget(): false {
    Object.assign(this.batch, emptyBatch());
    return false;
  }

  private note(part: YamlPart, events: Parameters<typeof oddScalars>[1]): void {
    if (this.batch.notes.length >= MAX_NOTES) return;
    for (const odd of oddScalars(this.source.text.slice(part.start, part.end), events)) {
      const { line, column } = this.source.position(part.start + odd.offset);
      this.batch.notes.push(
        `${this.source.name}:${line}:${column}: unquoted ${odd.text} is read as ${odd.value}, as Kubernetes reads YAML`,
      );
    }
  }

  private document(document: unknown, origin: Origin): void {
    if (!isMapping(document)) {
      this.refuse(
        'invalid-object',
        `${describe(document)} where a Kubernetes object (a mapping) is expected`,
        origin,
        [],
      );
      return;
    }
    if (document['items'] === undefined || !isListKind(document['kind'])) {
      if (document['items'] !== undefined && document['kind'] === undefined) this.checkList(document, origin.end);
      this.object(document, origin, undefined);
      return;
    }
    this.checkList(document, origin.end);
    const { items } = document;
    if (items === null) return;
    if (!Array.isArray(items)) {
      this.refuse('invalid-object', `${describe(items)} where a list of objects is expected`, origin, ['items']);
      return;
    }
    items.forEach((item, index) =>
      this.object(item, { ...origin, inner: [...origin.inner, 'items', index] }, document),
    );
  }

  /** kubectl writes `kind: List` after the items: without it, the end of the file is missing. */
  private checkList(list: Mapping, end: number): void {
    if (list['kind'] === undefined) {
      const reason =
        'a list of items without its kind (kubectl writes `kind: List` at the end): the file looks truncated';
      throw this.error('truncated-input', reason, end);
    }
  }

  private object(value: unknown, origin: Origin, list: Mapping | undefined): void {
    if (!isMapping(value)) {
      this.refuse('invalid-object', `${describe(value)} where a Kubernetes object (a mapping) is expected`, origin, []);
      return;
    }
    // Items of a typed list (`ServiceList`) need not repeat kind and version.
    const listKind =
      typeof list?.['kind'] === 'string' && list['kind'] !== 'List' ? list['kind'].slice(0, -4) : undefined;
    const kind = value['kind'] ?? listKind;
    const apiVersion = value['apiVersion'] ?? (listKind === undefined ? undefined : list?.['apiVersion']);
    if (typeof kind !== 'string' || kind === '') {
      this.refuse('invalid-object', 'an object without a kind', origin, value['kind'] === undefined ? [] : ['kind']);
      return;
    }
    if (typeof apiVersion !== 'string') {
      const path = value['apiVersion'] === undefined ? [] : ['apiVersion'];
      this.refuse('invalid-object', `a ${kind} without an apiVersion`, origin, path);
      return;
    }
    if (!isUsedKind(apiVersion, kind)) return this.count(apiVersion, kind);
    const metadata = value['metadata'];
    const named = isMapping(metadata) && typeof metadata['name'] === 'string' && metadata['name'] !== '';
    const namespace = isMapping(metadata) ? metadata['namespace'] : undefined;
    if (!named || (namespace !== undefined && typeof namespace !== 'string')) {
      const field = named ? 'namespace' : 'name';
      this.refuse('invalid-object', `a ${kind} needs a ${field} (a text)`, origin, ['metadata', field]);
      return;
    }
    // What only fills memory: nothing in lbtwin looks at it.
    if (metadata['managedFields'] !== undefined) delete metadata['managedFields'];
    const { annotations } = metadata;
    if (isMapping(annotations) && annotations[LAST_APPLIED] !== undefined) {
      const { [LAST_APPLIED]: _, ...rest } = annotations;
      metadata['annotations'] = rest;
    }
    const object = (value['kind'] === kind ? value : { ...value, kind, apiVersion }) as unknown as RawObject;
    if (kind === 'ConfigMap' && !isConfigMapOfCilium(object)) return this.count(apiVersion, kind);
    this.batch.objects.push(object);
    this.batch.origins.set(object, origin);
  }

  private count(apiVersion: string, kind: string): void {
    const slash = apiVersion.lastIndexOf('/');
    const name = slash < 0 ? kind : `${kind}.${apiVersion.slice(0, slash)}`;
    this.batch.unused.set(name, (this.batch.unused.get(name) ?? 0) + 1);
  }

  private error(code: string, reason: string, offset: number): InputError {
    return new InputError(code, reason, { file: this.source.name, position: this.source.position(offset) });
  }

  private refuseYaml(problem: YamlProblem, start: number, fatal: boolean): void {
    const offset = start + problem.offset;
    const atEnd = this.source.text.slice(offset).trim() === '';
    const error = this.error(
      fatal && atEnd ? 'truncated-input' : 'invalid-yaml',
      `not readable as YAML: ${problem.reason}${fatal && atEnd ? ' (is the file truncated?)' : ''}`,
      offset,
    );
    if (fatal || this.options.strict === true) throw error;
    this.batch.refused.push(error);
  }

  private refuse(code: string, reason: string, origin: Origin, path: ErrorPath): void {
    const error = new InputError(code, reason, {
      file: this.source.name,
      position: positionOf(origin, path),
      path: [...origin.inner, ...path],
    });
    if (this.options.strict === true) throw error;
    this.batch.refused.push(error);
  }
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const isListKind = (kind: unknown): boolean => typeof kind === 'string' && kind.endsWith('List');

/** How a batch names what it left aside, for a line to the user: `3 Deployment.apps, 1 Secret`; empty if there is none. */
export function formatUnused(unused: ReadonlyMap<string, number>): string {
  return [...unused]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}
