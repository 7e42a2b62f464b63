import type { ErrorPath } from '../errors.ts';

/** Where and why a text is no JSON. */
export class JsonSyntaxError extends Error {
  readonly offset: number;
  constructor(offset: number, reason: string) {
    super(reason);
    this.offset = offset;
  }
}

const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\r\n]*/y;

/**
 * Walks JSON text without building values. `JSON.parse` reads faster but tells no positions: this finds the place of a path
 * or of a syntax error, for messages, and the ends of values that follow one another.
 */
export class JsonScanner {
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  /** The offset of the first character at or after `at` that is no white space. */
  space(at: number): number {
    SPACE.lastIndex = at;
    SPACE.test(this.text);
    return SPACE.lastIndex;
  }

  /** The end of the value that starts at `at` (white space before it is skipped). @throws JsonSyntaxError */
  skip(at: number): number {
    const start = this.space(at);
    const first = this.text[start];
    if (first === '{' || first === '[') return this.members(start, () => false);
    return first === '"' ? this.string(start) : this.scalar(start);
  }

  /**
   * The offset of the value at `path` within the value at `at`; of the deepest part of the path that exists, if it ends early.
   * @throws JsonSyntaxError
   */
  locate(at: number, path: ErrorPath): number {
    let start = this.space(at);
    for (const part of path) {
      let found = -1;
      if (this.text[start] !== '{' && this.text[start] !== '[') return start;
      this.members(start, (key, value) => {
        // As in JSON.parse, the last of several equal keys counts; arrays end at the one that is sought.
        if (key === part) found = value;
        return found >= 0 && typeof key === 'number';
      });
      if (found < 0) return start;
      start = found;
    }
    return start;
  }

  /** Visits the members of the object or array at `start` until `visit` returns true; returns where it stopped. */
  private members(start: number, visit: (key: string | number, valueAt: number) => boolean): number {
    const object = this.text[start] === '{';
    const close = object ? '}' : ']';
    let at = this.space(start + 1);
    if (this.text[at] === close) return at + 1;
    for (let index = 0; ; index++) {
      let key: string | number = index;
      if (object) {
        if (this.text[at] !== '"') this.fail(at, 'a key in double quotes is expected');
        const end = this.string(at);
        key = JSON.parse(this.text.slice(at, end)) as string;
        at = this.space(end);
        if (this.text[at] !== ':') this.fail(at, "':' is expected after a key");
        at = this.space(at + 1);
      }
      const value = at;
      at = this.space(this.skip(at));
      if (visit(key, value)) return at;
      if (this.text[at] === close) return at + 1;
      if (this.text[at] !== ',') this.fail(at, `',' or '${close}' is expected`);
      at = this.space(at + 1);
    }
  }

  private string(start: number): number {
    for (let at = start + 1; at < this.text.length;) {
      const code = this.text.charCodeAt(at);
      if (code === 34) return at + 1;
      if (code < 32) this.fail(at, 'a control character in a string');
      if (code !== 92) at++;
      else {
        ESCAPE.lastIndex = at;
        if (!ESCAPE.test(this.text)) this.fail(at, 'an unknown escape in a string');
        at = ESCAPE.lastIndex;
      }
    }
    return this.fail(this.text.length, 'a string is not closed');
  }

  private scalar(at: number): number {
    SCALAR.lastIndex = at;
    if (!SCALAR.test(this.text)) this.fail(at, 'a JSON value is expected');
    return SCALAR.lastIndex;
  }

  private fail(at: number, reason: string): never {
    if (at >= this.text.length)
      throw new JsonSyntaxError(this.text.length, 'the JSON text ends too early (truncated?)');
    throw new JsonSyntaxError(at, `${reason}, found ${JSON.stringify(this.text[at])}`);
  }
}
