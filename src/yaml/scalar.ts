/** What a plain YAML scalar means. `number` covers integers and floats; JSON has one number type. */
export type Scalar = string | number | boolean | null;

const NULLS: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL']);
const TRUE_12: ReadonlySet<string> = new Set(['true', 'True', 'TRUE']);
const FALSE_12: ReadonlySet<string> = new Set(['false', 'False', 'FALSE']);
const TRUE_11: ReadonlySet<string> = new Set(['y', 'Y', 'yes', 'Yes', 'YES', 'on', 'On', 'ON']);
const FALSE_11: ReadonlySet<string> = new Set(['n', 'N', 'no', 'No', 'NO', 'off', 'Off', 'OFF']);

const INTEGER_11 = /^([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)$/;
const INTEGER_12 = /^[-+]?(?:[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/;
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const INFINITY = /^([-+]?)\.(?:inf|Inf|INF)$/;
const NAN = /^\.(?:nan|NaN|NAN)$/;

function special(text: string): number | undefined {
  const infinity = INFINITY.exec(text);
  if (infinity !== null) return infinity[1] === '-' ? -Infinity : Infinity;
  return NAN.test(text) ? Number.NaN : undefined;
}

/** `text` as a plain scalar in the dialect that kubectl and Helm read: YAML 1.1 booleans, Go's integer literals. */
export function resolveScalar11(text: string): Scalar {
  if (NULLS.has(text)) return null;
  if (TRUE_12.has(text) || TRUE_11.has(text)) return true;
  if (FALSE_12.has(text) || FALSE_11.has(text)) return false;
  // Underscores between digits are dropped, as Go's reader does before it tries a number.
  const bare = /^[-+.0-9]/.test(text) ? text.replaceAll('_', '') : text;
  const integer = INTEGER_11.exec(bare);
  if (integer !== null) {
    const digits = integer[2]!;
    const radix = /^0[0-7]/.test(digits) ? `0o${digits.slice(1)}` : digits.toLowerCase();
    return Number(radix) * (integer[1] === '-' ? -1 : 1);
  }
  if (FLOAT.test(bare)) return Number(bare);
  return special(text) ?? text;
}

/** `text` as a plain scalar in the YAML 1.2 core schema, which most editors and linters show. */
export function resolveScalar12(text: string): Scalar {
  if (NULLS.has(text)) return null;
  if (TRUE_12.has(text)) return true;
  if (FALSE_12.has(text)) return false;
  if (INTEGER_12.test(text)) {
    const negative = text.startsWith('-');
    const digits = text.replace(/^[-+]/, '');
    return (/^0[xo]/.test(digits) ? Number(digits) : Number.parseInt(digits, 10)) * (negative ? -1 : 1);
  }
  if (FLOAT.test(text)) return Number(text);
  return special(text) ?? text;
}
