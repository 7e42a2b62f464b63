/** A number as Go's `%v` prints a float64: shortest digits, an exponent from a million up. */
function goFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const [digits, power] = value.toExponential().split('e') as [string, string];
  const exponent = Number(power);
  if (value === 0 || (exponent >= -4 && exponent < 6)) return String(value);
  return `${digits}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
}

/**
 * A value of the merged values as a chart template prints it: what `quote` puts between the quotes. Numbers are floats
 * there and get an exponent from a million up (`set.ts` keeps the integers of `--set`, which do not, as text).
 */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return goFloat(value);
  if (typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => goElement(item)).join(' ')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `map[${entries.map(([name, item]) => `${name}:${goElement(item)}`).join(' ')}]`;
}

const goElement = (value: unknown): string => (value === null || value === undefined ? '<nil>' : goText(value));

/** Go templates' truth: false, zero, nil and everything empty is false. */
export function truthy(value: unknown): boolean {
  if (value === null || value === undefined) return false;
  if (typeof value === 'string') return value !== '';
  if (typeof value === 'object') return Array.isArray(value) ? value.length > 0 : Object.keys(value).length > 0;
  return Boolean(value);
}

/** The chart's `int` filter: floats are cut, true is 1, texts that are no number are 0. */
export function goInt(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  if (typeof value === 'number') return String(Math.trunc(value));
  if (typeof value === 'string' && /^[-+]?\d+$/.test(value)) return String(Number(value));
  return '0';
}

/** Sprig's `join`: lists element by element, nil as nothing, anything else as one element. */
export function goJoin(separator: string, value: unknown): string {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? value.map((item) => goText(item)).join(separator) : goText(value);
}
