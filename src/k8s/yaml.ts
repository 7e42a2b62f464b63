import {
  constructFromEvents,
  CORE_SCHEMA,
  defineScalarTag,
  type Event,
  EVENT_ID,
  getScalarValue,
  mergeTag,
  NOT_RESOLVED,
  parseEvents,
  SCALAR_STYLE,
  type Schema,
  YAMLException,
} from 'js-yaml';
import type { ErrorPath } from '../errors.ts';

/*
 * Kubernetes' own tools read YAML 1.1: unquoted `yes` is true and `010` is eight. Read differently, a manifest would mean
 * something else here than in the cluster; so it is read alike, and such scalars are reported, since few people mean them.
 */
const YAML11_BOOL = /^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF)$/;
const YAML11_TRUE = /^(?:y|yes|on)$/i;
const YAML11_INT = /^[-+]?(?:0[0-7_]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|0[bB][01_]+|[0-9][0-9_]*_[0-9_]*)$/;
const OCTAL = /^[-+]?0[0-7_]+$/;
const PLAIN_INT = /^[-+]?(?:0|[1-9][0-9]*)$/;

function readYaml11Int(text: string): number {
  const negative = text.startsWith('-');
  const digits = text.replace(/^[-+]/, '').replaceAll('_', '').toLowerCase();
  const octal = /^0[0-7]/.test(digits);
  const value = octal ? Number.parseInt(digits, 8) : Number(digits);
  return negative ? -value : value;
}

const boolTag = defineScalarTag<boolean>('tag:yaml.org,2002:bool', {
  implicit: true,
  implicitFirstChars: [...'tTfFyYnNoO'],
  resolve: (text) => {
    if (text === 'true' || text === 'True' || text === 'TRUE') return true;
    if (text === 'false' || text === 'False' || text === 'FALSE') return false;
    return YAML11_BOOL.test(text) ? YAML11_TRUE.test(text) : NOT_RESOLVED;
  },
  identify: () => false,
});

const intTag = defineScalarTag<number>('tag:yaml.org,2002:int', {
  implicit: true,
  implicitFirstChars: [...'-+0123456789'],
  resolve: (text) => (PLAIN_INT.test(text) ? Number(text) : YAML11_INT.test(text) ? readYaml11Int(text) : NOT_RESOLVED),
  identify: () => false,
});

const SCHEMA: Schema = CORE_SCHEMA.withTags(mergeTag, boolTag, intTag);

/** A piece of YAML that cannot be read. `offset` is within the piece. */
export interface YamlProblem {
  readonly offset: number;
  readonly reason: string;
  /** True if the text is no YAML; false if it is, but not a usable value (a key twice, an unknown tag or alias). */
  readonly syntax: boolean;
}

export type YamlPiece = { readonly documents: unknown[]; readonly events: Event[] } | { readonly problem: YamlProblem };

/** Reads the documents of `text`. */
export function readYamlPiece(text: string): YamlPiece {
  let events: Event[] | undefined;
  try {
    events = parseEvents(text, {});
    return { documents: constructFromEvents(events, { source: text, schema: SCHEMA }), events };
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    return { problem: { offset: error.mark?.position ?? 0, reason: error.reason, syntax: events === undefined } };
  }
}

/** A scalar that means something else than it looks like; `offset` is within the piece. */
export interface OddScalar {
  readonly offset: number;
  readonly text: string;
  readonly value: boolean | number;
}

/** The unquoted scalars of a piece that only YAML 1.1 reads as booleans or other numbers than they look. */
export function oddScalars(text: string, events: readonly Event[]): OddScalar[] {
  const found: OddScalar[] = [];
  for (const event of events) {
    if (event.type !== EVENT_ID.SCALAR || event.style !== SCALAR_STYLE.PLAIN || event.tagStart >= 0) continue;
    const length = event.valueEnd - event.valueStart;
    if (length === 0 || length > 24) continue;
    // Most scalars are ruled out by their first character, without a copy of them.
    const first = text.charCodeAt(event.valueStart) | 32;
    const digit = (first >= 48 && first <= 57) || first === 45 || first === 43;
    if (!digit && (length > 3 || (first !== 121 && first !== 110 && first !== 111))) continue;
    const scalar = text.slice(event.valueStart, event.valueEnd);
    if (digit ? OCTAL.test(scalar) : YAML11_BOOL.test(scalar)) {
      found.push({
        offset: event.valueStart,
        text: scalar,
        value: digit ? readYaml11Int(scalar) : YAML11_TRUE.test(scalar),
      });
    }
  }
  return found;
}

/**
 * The offset in `text` of the value at `path` in the document number `document`, or of the deepest part of the path that exists.
 * Keys are located at themselves, elements of sequences at their value.
 */
export function locateInYaml(text: string, document: number, path: ErrorPath): number {
  const events = parseEvents(text, {});
  let at = 0;
  for (let seen = -1; at < events.length; at++) {
    if (events[at]!.type === EVENT_ID.DOCUMENT && ++seen === document) break;
  }
  return descend(text, events, at + 1, path);
}

/** The index of the event after the node that starts at event `at`. */
function skipNode(events: readonly Event[], at: number): number {
  let depth = 0;
  for (let i = at; i < events.length; i++) {
    const { type } = events[i]!;
    if (type === EVENT_ID.MAPPING || type === EVENT_ID.SEQUENCE) depth++;
    else if (type === EVENT_ID.POP) depth--;
    if (depth <= 0) return i + 1;
  }
  return events.length;
}

function offsetOf(event: Event | undefined): number {
  if (event === undefined) return 0;
  if (event.type === EVENT_ID.SCALAR) return event.valueStart;
  if (event.type === EVENT_ID.ALIAS) return event.anchorStart - 1;
  return event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE ? event.start : 0;
}

function descend(text: string, events: readonly Event[], root: number, path: ErrorPath): number {
  let at = root;
  let offset = offsetOf(events[at]);
  for (const part of path) {
    const node = events[at];
    let child = at + 1;
    let found = false;
    if (node?.type === EVENT_ID.MAPPING && typeof part === 'string') {
      while (child < events.length && events[child]!.type !== EVENT_ID.POP) {
        const key = events[child]!;
        const value = skipNode(events, child);
        if (key.type === EVENT_ID.SCALAR && getScalarValue(text, key) === part) {
          offset = key.valueStart;
          at = value;
          found = true;
          break;
        }
        child = skipNode(events, value);
      }
    } else if (node?.type === EVENT_ID.SEQUENCE && typeof part === 'number') {
      for (let index = 0; child < events.length && events[child]!.type !== EVENT_ID.POP; index++) {
        if (index === part) {
          offset = offsetOf(events[child]);
          at = child;
          found = true;
          break;
        }
        child = skipNode(events, child);
      }
    }
    if (!found) return offset;
  }
  const value = events[at];
  // The value itself is the better place when it is a scalar: the key is right before it.
  return value?.type === EVENT_ID.SCALAR && value.valueEnd > value.valueStart ? value.valueStart : offset;
}
