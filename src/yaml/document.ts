import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseAllDocuments,
  type Scalar as YamlScalar,
  type YAMLMap,
} from 'yaml';
import { type ErrorPath, LbtwinError } from '../errors.ts';
import { resolveScalar11, resolveScalar12, type Scalar } from './scalar.ts';

/** A place in a text: line and column, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A plain scalar that means something else under YAML 1.1, as kubectl and Helm read it, than under YAML 1.2. */
export interface DialectNote {
  readonly path: ErrorPath;
  readonly position: Position;
  /** As written. */
  readonly text: string;
  /** What kubectl and Helm make of it. */
  readonly value: Scalar;
  /** What the YAML 1.2 core schema makes of it. */
  readonly value12: Scalar;
  /** The scalar is a key of a map: JSON keys are strings, so the value is turned into text again. */
  readonly isKey: boolean;
}

/** One document of a YAML stream, with a way back from a path to the text. */
export interface YamlDocument {
  /** Plain JSON data, in the reading of kubectl and Helm. */
  readonly value: unknown;
  readonly dialect: readonly DialectNote[];
  /** A duplicate key: the last one wins in Helm, kubectl refuses the document. */
  readonly duplicates: readonly { readonly path: ErrorPath; readonly position: Position }[];
  /** Where the value at `path` stands; the nearest enclosing one that exists if there is none. */
  positionOf(path: ErrorPath): Position;
}

const SYNTAX = 'YAML as kubectl reads it';
/** Aliases may multiply a small text into a huge one; more nodes than this out of aliases are refused. */
const MAX_EXPANDED = 100_000;

const isMergeKey = (node: Node | null): boolean => isScalar(node) && node.type === 'PLAIN' && node.source === '<<';

class Reader {
  readonly dialect: DialectNote[] = [];
  readonly duplicates: { path: ErrorPath; position: Position }[] = [];
  private readonly lines: LineCounter;
  private readonly document: Document;
  private expanded = 0;
  private readonly open = new Set<Node>();
  /** Where the node being read stands. */
  private readonly path: (string | number)[] = [];

  constructor(document: Document, lines: LineCounter) {
    this.document = document;
    this.lines = lines;
  }

  position(node: Node | null): Position {
    const offset = node?.range?.[0] ?? 0;
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  private fail(code: string, reason: string): never {
    throw new LbtwinError(code, reason, { path: [...this.path] });
  }

  private below<T>(part: string | number, read: () => T): T {
    this.path.push(part);
    const value = read();
    this.path.pop();
    return value;
  }

  read(node: Node | null): unknown {
    if (this.open.size > 0 && ++this.expanded > MAX_EXPANDED) {
      this.fail('yaml-too-large', 'aliases expand to too many nodes');
    }
    if (node === null) return null;
    if (isAlias(node)) return this.alias(node);
    if (isScalar(node)) return this.scalar(node, false);
    if (isMap(node)) return this.map(node);
    if (!isSeq(node)) return null;
    return node.items.map((item, i) => this.below(i, () => this.read(isPair(item) ? null : (item as Node | null))));
  }

  private alias(node: Alias): unknown {
    const target = node.resolve(this.document);
    if (target === undefined || this.open.has(target)) {
      this.fail('yaml-alias', `alias *${node.source} ${target === undefined ? 'has no anchor' : 'contains itself'}`);
    }
    this.open.add(target!);
    const value = this.read(target!);
    this.open.delete(target!);
    return value;
  }

  private scalar(node: YamlScalar, isKey: boolean): Scalar {
    const text = typeof node.source === 'string' ? node.source : String(node.value ?? '');
    if (node.type !== 'PLAIN' || node.tag === '!!str' || node.tag === 'tag:yaml.org,2002:str') {
      return String(node.value ?? '');
    }
    const value = resolveScalar11(text);
    const value12 = resolveScalar12(text);
    if (!Object.is(value, value12)) {
      const path = isKey ? [...this.path, text] : [...this.path];
      this.dialect.push({ path, position: this.position(node), text, value, value12, isKey });
    }
    return value;
  }

  private map(node: YAMLMap): Record<string, unknown> {
    const merged: Record<string, unknown> = {};
    const own: Record<string, unknown> = {};
    for (const { key, value } of node.items) {
      const keyNode = key as Node | null;
      if (isMergeKey(keyNode)) {
        this.mergeInto(merged, value as Node | null);
        continue;
      }
      const name = this.key(keyNode);
      if (Object.hasOwn(own, name)) {
        this.duplicates.push({ path: [...this.path, name], position: this.position(keyNode) });
      }
      define(
        own,
        name,
        this.below(name, () => this.read(value as Node | null)),
      );
    }
    for (const name of Object.keys(merged)) if (!Object.hasOwn(own, name)) define(own, name, merged[name]);
    return own;
  }

  private key(node: Node | null): string {
    if (isScalar(node)) {
      const value = this.scalar(node, true);
      return value === null ? 'null' : String(value);
    }
    if (isAlias(node)) {
      const target = node.resolve(this.document);
      if (isScalar(target)) return this.key(target as Node);
    }
    return this.fail('yaml-key', 'a map key must be a scalar');
  }

  /** `<<: *base` or `<<: [*a, *b]`: earlier maps win over later ones, the map's own keys over all. */
  private mergeInto(out: Record<string, unknown>, node: Node | null): void {
    const list = isSeq(node) ? (node.items as (Node | null)[]) : [node];
    for (const item of list) {
      const value = this.read(item);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        this.fail('yaml-merge', 'a merge key (<<) takes a map or a list of maps');
      }
      for (const [name, entry] of Object.entries(value as object)) {
        if (!Object.hasOwn(out, name)) define(out, name, entry);
      }
    }
  }

  /** The place of the value at a path, or of the nearest one around it that exists. */
  locate(path: ErrorPath): Position {
    let at: Node | null = this.document.contents as Node | null;
    let found: Node | null = at;
    for (const part of path) {
      const next = this.child(at, part);
      if (next === undefined) break;
      at = next.value;
      // An absent value has no place of its own: its key's.
      found = next.value ?? next.key;
    }
    return this.position(found);
  }

  private child(node: Node | null, part: string | number): { key: Node | null; value: Node | null } | undefined {
    if (isAlias(node)) return this.child(node.resolve(this.document) ?? null, part);
    if (isSeq(node)) {
      const item = typeof part === 'number' ? node.items[part] : undefined;
      return item === undefined ? undefined : { key: null, value: item as Node | null };
    }
    if (!isMap(node)) return undefined;
    const pair = node.items.findLast(
      ({ key }) => !isMergeKey(key as Node | null) && this.named(key as Node | null, part),
    );
    if (pair !== undefined) return { key: pair.key as Node | null, value: pair.value as Node | null };
    for (const { key, value } of node.items) {
      if (!isMergeKey(key as Node | null)) continue;
      for (const base of isSeq(value) ? (value.items as Node[]) : [value as Node | null]) {
        const inherited = this.child(base, part);
        if (inherited !== undefined) return inherited;
      }
    }
    return undefined;
  }

  private named(key: Node | null, part: string | number): boolean {
    const node = isAlias(key) ? key.resolve(this.document) : key;
    if (!isScalar(node)) return false;
    if (String(node.value ?? '') === String(part)) return true;
    return node.type === 'PLAIN' && typeof node.source === 'string' && String(resolveScalar11(node.source)) === part;
  }
}

/** Sets an own property whatever its name is, `__proto__` included. */
function define(target: Record<string, unknown>, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}

/**
 * Reads a YAML (or JSON) stream as kubectl and Helm do: YAML 1.1 scalars, anchors, merge keys, comments; any number of
 * documents, empty ones left out. Throws `yaml-syntax` with line and column.
 */
export function readYaml(text: string): YamlDocument[] {
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, {
    schema: 'failsafe',
    lineCounter: lines,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const documents: YamlDocument[] = [];
  for (const document of Array.isArray(parsed) ? parsed : []) {
    const error = document.errors[0];
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw new LbtwinError('yaml-syntax', `line ${line}, column ${col}: ${error.message}`, { allowed: SYNTAX });
    }
    if (document.contents === null) continue;
    const reader = new Reader(document as Document, lines);
    const value = reader.read(document.contents as Node);
    if (value === null) continue;
    documents.push({
      value,
      dialect: reader.dialect,
      duplicates: reader.duplicates,
      positionOf: (path) => reader.locate(path),
    });
  }
  return documents;
}
