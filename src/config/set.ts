import { LbtwinError } from '../errors.ts';
import { isTable, type Values, type ValuesSource } from './values.ts';

const MAX_INDEX = 65536;
const SYNTAX = 'a.b=c, a.b=c,d=e, list={x,y}, list[0]=x, null to remove a default; \\, \\. \\= stand for themselves';

const fail = (text: string, reason: string): never => {
  throw new LbtwinError('invalid-set', `--set ${text}: ${reason}`, { allowed: SYNTAX });
};

/** What `--set` makes of a word: true, false, null and integers without a leading zero are typed, the rest is text. */
function typed(word: string): unknown {
  const lower = word.toLowerCase();
  if (lower === 'true') return true;
  if (lower === 'false') return false;
  if (lower === 'null') return null;
  if (word === '0') return 0;
  if (/^[-+]?[1-9]\d*$/.test(word)) {
    // Helm keeps an integer here, which templates print with all digits; numbers from files are floats (go.ts).
    return Math.abs(Number(word)) < 1e6 ? Number(word) : word.replace(/^\+/, '');
  }
  return word;
}

class SetReader {
  private at = 0;
  private readonly text: string;
  private readonly convert: (word: string) => unknown;

  constructor(text: string, convert: (word: string) => unknown) {
    this.text = text;
    this.convert = convert;
  }

  /** Reads up to one of `stops`, which is not consumed; a backslash takes the next character as it is. */
  private word(stops: string): string {
    let word = '';
    while (this.at < this.text.length && !stops.includes(this.text[this.at]!)) {
      if (this.text[this.at] === '\\' && this.at + 1 < this.text.length) this.at++;
      word += this.text[this.at++]!;
    }
    return word;
  }

  private key(): (string | number)[] {
    const path: (string | number)[] = [];
    for (;;) {
      const name = this.word('.=[,');
      if (name === '') fail(this.text, 'a key is empty');
      path.push(name);
      while (this.text[this.at] === '[') {
        const end = this.text.indexOf(']', this.at);
        const index = this.text.slice(this.at + 1, end < 0 ? undefined : end);
        if (end < 0 || !/^\d+$/.test(index) || Number(index) > MAX_INDEX) fail(this.text, `[${index} is no list index`);
        path.push(Number(index));
        this.at = end + 1;
      }
      if (this.text[this.at] !== '.') return path;
      this.at++;
    }
  }

  private value(): unknown {
    if (this.text[this.at] !== '{') return this.convert(this.word(','));
    this.at++;
    const list: unknown[] = [];
    for (;;) {
      const word = this.word(',}');
      const stop = this.text[this.at++];
      if (stop === undefined) fail(this.text, 'a list must end with }');
      if (word !== '' || stop === ',' || list.length > 0) list.push(this.convert(word));
      if (stop === '}') return list;
    }
  }

  read(): Values {
    let values: unknown = {};
    while (this.at < this.text.length) {
      const path = this.key();
      if (this.text[this.at] !== '=') fail(this.text, `key ${JSON.stringify(path.join('.'))} has no value`);
      this.at++;
      values = put(values, path, this.value());
      if (this.at < this.text.length && this.text[this.at++] !== ',') fail(this.text, 'a comma is missing');
    }
    return values as Values;
  }
}

function put(into: unknown, path: readonly (string | number)[], value: unknown): unknown {
  if (path.length === 0) return value;
  const [head, ...rest] = path;
  if (typeof head === 'number') {
    const list = Array.isArray(into) ? [...into] : [];
    while (list.length < head) list.push(null);
    list[head] = put(list[head], rest, value);
    return list;
  }
  const table = isTable(into) ? into : {};
  return { ...table, [head!]: put(table[head!], rest, value) };
}

/** Reads the argument of `--set`. @throws LbtwinError `invalid-set` */
export function parseSet(text: string): ValuesSource {
  return { name: `--set ${text}`, values: new SetReader(text, typed).read() };
}

/** Reads the argument of `--set-string`: every value is text. @throws LbtwinError `invalid-set` */
export function parseSetString(text: string): ValuesSource {
  return { name: `--set-string ${text}`, values: new SetReader(text, (word) => word).read() };
}

/** Reads the argument of `--set-json`: `path=JSON`, or one JSON object. @throws LbtwinError `invalid-set` */
export function parseSetJson(text: string): ValuesSource {
  const name = `--set-json ${text}`;
  const split = text.trimStart().startsWith('{') ? -1 : text.indexOf('=');
  let value: unknown;
  try {
    value = JSON.parse(split < 0 ? text : text.slice(split + 1));
  } catch (cause) {
    throw new LbtwinError('invalid-set', `${name}: not JSON`, { allowed: 'path=JSON, or a JSON object', cause });
  }
  if (split < 0) {
    if (!isTable(value)) throw new LbtwinError('invalid-set', `${name}: not a JSON object`, { allowed: 'path=JSON' });
    return { name, values: value };
  }
  return { name, values: put({}, text.slice(0, split).split('.'), value) as Values };
}
