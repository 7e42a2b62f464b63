/** A part of a YAML text that can be parsed on its own: `[start, end)`. */
export interface YamlPart {
  readonly start: number;
  readonly end: number;
}

/**
 * The documents of a YAML stream, cut at lines that start with `---` (a marker wherever it stands, block scalars included).
 * `undefined` if the stream has directives or `...` markers: then it must be parsed in one go.
 */
export function splitDocuments(text: string): YamlPart[] | undefined {
  if (/^(?:%|\.\.\.(?:\s|$))/m.test(text)) return undefined;
  const parts: YamlPart[] = [];
  let start = 0;
  for (let at = text.startsWith('---') ? 0 : next(text, 0); at >= 0; at = next(text, at)) {
    const after = text.charCodeAt(at + 3);
    // NaN is the end of the text; `---x` is a plain scalar.
    if (!Number.isNaN(after) && after > 32) continue;
    if (at > start) parts.push({ start, end: at });
    start = at;
  }
  parts.push({ start, end: text.length });
  return parts;
}

const next = (text: string, from: number): number => {
  const at = text.indexOf('\n---', from);
  return at < 0 ? -1 : at + 1;
};

/** A `List` document, cut into its items. */
export interface SplitList {
  readonly items: YamlPart[];
  /** The text before and after the items; its `items:` key has no value. */
  readonly before: YamlPart;
  readonly after: YamlPart;
}

const ITEMS = /^items:[ \t]*(?:#[^\n]*)?\r?\n/m;

/**
 * Cuts a block-style document at the items of its top-level `items:`, so that a big dump is parsed item by item and never held as
 * one tree of events. Sound because what belongs to an item is indented deeper than its dash, block scalars and the
 * continuation lines of quoted scalars included. `undefined` if the document has another shape. Anchors that reach over
 * items are for the caller to notice: the piece with the alias does not parse.
 */
export function splitList(text: string, part: YamlPart): SplitList | undefined {
  const body = text.slice(part.start, part.end);
  const match = ITEMS.exec(body);
  if (match === null) return undefined;
  const first = match.index + match[0].length;
  const dash = /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*( *)- /.exec(body.slice(first, first + 4096));
  if (dash === null) return undefined;
  const indent = dash[1]!;
  const marker = `\n${indent}- `;
  const bare = `\n${indent}-\n`;
  const items: YamlPart[] = [];
  let at = first + dash[0].length - 2 - indent.length;
  let end = body.length;
  // The end of the list: the next line at column 0 that is no dash, comment or blank (with an indent: any line at column 0).
  const stop = (indent === '' ? /^[^\s#-]/m : /^[^\s#]/m).exec(body.slice(first));
  if (stop !== null) end = first + stop.index;
  if (body.slice(at, end).includes(bare)) return undefined;
  while (at < end) {
    const following = body.indexOf(marker, at);
    const to = following < 0 || following + 1 > end ? end : following + 1;
    items.push({ start: part.start + at, end: part.start + to });
    at = to;
  }
  return {
    items,
    before: { start: part.start, end: part.start + first },
    after: { start: part.start + end, end: part.end },
  };
}
