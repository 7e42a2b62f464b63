import { formatPath, LbtwinError, type ErrorPath, type LbtwinErrorDetails } from '../errors.ts';

/** Line and column, both from 1; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A named text, with its lines looked up when a message needs them. */
export class SourceText {
  readonly name: string;
  readonly text: string;
  private lineStarts: Uint32Array | undefined;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  /** Where the character at `offset` stands. */
  position(offset: number): Position {
    const starts = (this.lineStarts ??= findLines(this.text));
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  }
}

function findLines(text: string): Uint32Array {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return Uint32Array.from(starts);
}

export interface InputErrorDetails extends LbtwinErrorDetails {
  /** File name, `-` for standard input. */
  readonly file: string;
  readonly position?: Position | undefined;
  /** The object concerned, as `describeObject` prints it. */
  readonly object?: string | undefined;
}

/** Bad input that was read from a text: message `file:line:column: Kind namespace/name: path: reason (allowed: …)`. */
export class InputError extends LbtwinError {
  readonly file: string;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly object: string | undefined;

  constructor(code: string, reason: string, details: InputErrorDetails) {
    super(code, reason, details);
    this.name = 'InputError';
    this.file = details.file;
    this.line = details.position?.line;
    this.column = details.position?.column;
    this.object = details.object;
    const place = details.position === undefined ? '' : `:${this.line}:${this.column}`;
    const parts = [`${details.file}${place}`];
    if (details.object !== undefined) parts.push(details.object);
    if (this.path.length > 0) parts.push(formatPath(this.path));
    parts.push(`${reason}${details.allowed === undefined ? '' : ` (allowed: ${details.allowed})`}`);
    this.message = parts.join(': ');
  }
}

/** Where an object was read: enough to find a path inside it again. */
export interface Origin {
  readonly source: SourceText;
  readonly format: 'yaml' | 'json';
  /** The piece of the text that was parsed on its own: `[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** Which document of that piece, from 0. */
  readonly document: number;
  /** The object within that document. */
  readonly inner: ErrorPath;
}
