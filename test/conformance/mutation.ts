/** Wrong vectors on purpose: which changes of a case does a runner let pass? */

/** A way to a value inside a JSON document. */
type Path = readonly (string | number)[];

/** Changes every leaf, drops every key and adds one to every object; yields the changed copy and what was done. */
export function* mutations(testCase: unknown): Generator<{ mutant: unknown; what: string }> {
  for (const path of places(testCase, [])) {
    const pattern = path.map((part) => (typeof part === 'number' ? '*' : part)).join('.');
    const value = path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], testCase);
    if (typeof value === 'object' && value !== null) {
      if (Array.isArray(value)) {
        if (value.length > 0)
          yield { mutant: changed(testCase, path, value.slice(0, -1)), what: `${pattern}[] shortened` };
      } else {
        yield { mutant: changed(testCase, path, { ...value, unheardOf: 1 }), what: `${pattern}{} with another key` };
      }
    } else {
      yield { mutant: changed(testCase, path, otherThan(value)), what: `${pattern} changed` };
    }
    if (typeof path.at(-1) === 'string')
      yield { mutant: changed(testCase, path, undefined), what: `${pattern} dropped` };
  }
}

function* places(value: unknown, path: Path): Generator<Path> {
  if (path.length > 0) yield path;
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value))
    yield* places(inner, [...path, Array.isArray(value) ? Number(key) : key]);
}

function changed(testCase: unknown, path: Path, value: unknown): unknown {
  const copy = structuredClone(testCase);
  const parent = path.slice(0, -1).reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], copy);
  const last = path.at(-1)!;
  if (value === undefined) delete (parent as Record<string, unknown>)[last];
  else (parent as Record<string, unknown>)[last] = value;
  return copy;
}

function otherThan(value: unknown): unknown {
  if (typeof value === 'number') return value === 0 ? 1 : value - 1;
  if (typeof value === 'boolean') return !value;
  if (value === null) return 1;
  const text = value as string;
  if (/^\d+$/.test(text)) return String(BigInt(text) + 1n);
  // The last digit of an address, of hex or of text.
  const last = text.at(-1);
  return text.slice(0, -1) + (last === '0' ? '1' : '0');
}
