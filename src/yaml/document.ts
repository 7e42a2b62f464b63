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
/** Aliases may multiply a small text into a huge one; more nodes than this are refused. */
const MAX_NODES = 2_000_000;

class Reader {
  readonly dialect: DialectNote[] = [];
  readonly duplicates: { path: ErrorPath; position: Position }[] = [];
  readonly places = new Map<string, Position>();
  private readonly lines: LineCounter;
  private readonly document: Document;
  private nodes = 0;
  private readonly open = new Set<Node>();

  constructor(document: Document, lines: LineCounter) {
    this.document = document;
    this.lines = lines;
  }

  position(node: Node | null): Position {
    const offset = node?.range?.[0] ?? 0;
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }

  read(node: Node | null, path: ErrorPath): unknown {
    if (++this.nodes > MAX_NODES) throw new LbtwinError('yaml-too-large', 'aliases expand to too many nodes', { path });
    const key = JSON.stringify(path);
    if (!this.places.has(key)) this.places.set(key, this.position(node));
    if (node === null) return null;
    if (isAlias(node)) return this.alias(node, path);
    if (isScalar(node)) return this.scalar(node, path, false);
    if (isMap(node)) return this.map(node, path);
    if (isSeq(node)) {
      return node.items.map((item, i) => this.read(isPair(item) ? null : (item as Node | null), [...path, i]));
    }
    return null;
  }

  private alias(node: Alias, path: ErrorPath): unknown {
    const target = node.resolve(this.document);
    if (target === undefined || this.open.has(target)) {
      throw new LbtwinError('yaml-alias', `alias *${node.source} ${target ? 'contains itself' : 'has no anchor'}`, {
        path,
      });
    }
    this.open.add(target);
    const value = this.read(target, path);
    this.open.delete(target);
    return value;
  }

  private scalar(node: YamlScalar, path: ErrorPath, isKey: boolean): Scalar {
    const text = typeof node.source === 'string' ? node.source : String(node.value ?? '');
    if (node.type !== 'PLAIN' || node.tag === '!!str' || node.tag === 'tag:yaml.org,2002:str') {
      return String(node.value ?? '');
    }
    const value = resolveScalar11(text);
    const value12 = resolveScalar12(text);
    if (!Object.is(value, value12)) {
      this.dialect.push({ path, position: this.position(node), text, value, value12, isKey });
    }
    return value;
  }

  private map(node: YAMLMap, path: ErrorPath): Record<string, unknown> {
    const merged: Record<string, unknown> = {};
    const own: Record<string, unknown> = {};
    for (const { key, value } of node.items) {
      const keyNode = key as Node | null;
      if (isScalar(keyNode) && keyNode.type === 'PLAIN' && keyNode.source === '<<') {
        this.mergeInto(merged, value as Node | null, path);
        continue;
      }
      const name = this.key(keyNode, path);
      if (Object.hasOwn(own, name)) this.duplicates.push({ path: [...path, name], position: this.position(keyNode) });
      // The key's place, not the value's, is where a reader looks; an absent value has no place of its own.
      this.places.set(JSON.stringify([...path, name]), this.position((value as Node | null) ?? keyNode));
      define(own, name, this.read(value as Node | null, [...path, name]));
    }
    for (const name of Object.keys(merged)) if (!Object.hasOwn(own, name)) define(own, name, merged[name]);
    return own;
  }

  private key(node: Node | null, path: ErrorPath): string {
    if (isScalar(node)) {
      const value = this.scalar(node, [...path, String(node.value ?? '')], true);
      return value === null ? 'null' : String(value);
    }
    if (isAlias(node)) {
      const target = node.resolve(this.document);
      if (isScalar(target)) return this.key(target as Node, path);
    }
    throw new LbtwinError('yaml-key', 'a map key must be a scalar', { path });
  }

  /** `<<: *base` or `<<: [*a, *b]`: earlier maps win over later ones, the map's own keys over all. */
  private mergeInto(out: Record<string, unknown>, node: Node | null, path: ErrorPath): void {
    const list = isSeq(node) ? (node.items as (Node | null)[]) : [node];
    for (const item of list) {
      const value = this.read(item, [...path, '<<']);
      if (typeof value !== 'object' || value === null || Array.isArray(value)) {
        throw new LbtwinError('yaml-merge', 'a merge key (<<) takes a map or a list of maps', { path });
      }
      for (const [name, entry] of Object.entries(value)) if (!Object.hasOwn(out, name)) define(out, name, entry);
    }
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
    const value = reader.read(document.contents as Node, []);
    if (value === null) continue;
    documents.push({
      value,
      dialect: reader.dialect,
      duplicates: reader.duplicates,
      positionOf(path: ErrorPath): Position {
        for (let n = path.length; n >= 0; n--) {
          const place = reader.places.get(JSON.stringify(path.slice(0, n)));
          if (place !== undefined) return place;
        }
        return { line: 1, column: 1 };
      },
    });
  }
  return documents;
}
