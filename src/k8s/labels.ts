import { each, invalid, isRecord, type Raw, stringMap, text, texts } from './objects/fields.ts';

export type Labels = Readonly<Record<string, string>>;

type Operator = 'in' | 'notin' | 'exists' | 'absent' | 'gt' | 'lt';

interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

/** A conjunction of requirements; an empty one matches everything. */
export type Selector = readonly Requirement[];

export const matches = (selector: Selector, labels: Labels): boolean => selector.every((one) => holds(one, labels));

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
    default: {
      if (value === undefined || !INTEGER.test(value)) return false;
      const difference = BigInt(value) - BigInt(values[0]!);
      return operator === 'gt' ? difference > 0n : difference < 0n;
    }
  }
}

const INTEGER = /^[+-]?\d{1,19}$/;
const NAME = /^(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)$/;
const DNS_PREFIX = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  if (slash < 0) return NAME.test(key);
  const prefix = key.slice(0, slash);
  return prefix.length <= 253 && DNS_PREFIX.test(prefix) && NAME.test(key.slice(slash + 1));
}

const isLabelValue = (value: string): boolean => value === '' || NAME.test(value);

const SPECIAL = '=!(),><';
const BLANK = ' \t\r\n';

/** Words and symbols of the selector grammar; symbols keep their text. */
function tokenize(source: string): { text: string; word: boolean }[] {
  const tokens: { text: string; word: boolean }[] = [];
  for (let i = 0; i < source.length;) {
    const c = source[i]!;
    if (BLANK.includes(c)) {
      i++;
    } else if (SPECIAL.includes(c)) {
      const two = source.slice(i, i + 2);
      const symbol = two === '==' || two === '!=' ? two : c;
      tokens.push({ text: symbol, word: false });
      i += symbol.length;
    } else {
      const start = i;
      while (i < source.length && !SPECIAL.includes(source[i]!) && !BLANK.includes(source[i]!)) i++;
      tokens.push({ text: source.slice(start, i), word: true });
    }
  }
  return tokens;
}

/**
 * Parses the Kubernetes label selector syntax (`tier=edge,zone in (a,b),!old,size>5`); `undefined` for what Kubernetes refuses.
 * An empty text selects everything.
 */
export function parseSelector(source: string): Selector | undefined {
  const tokens = tokenize(source);
  const requirements: Requirement[] = [];
  let i = 0;
  const symbol = (expected: string): boolean => {
    const token = tokens[i];
    if (token === undefined || token.word || token.text !== expected) return false;
    i++;
    return true;
  };
  const add = (key: string, operator: Operator, values: readonly string[] = []): boolean => {
    const comparing = operator === 'gt' || operator === 'lt';
    if (!isLabelKey(key) || (comparing && !INTEGER.test(values[0] ?? ''))) return false;
    if (!comparing && !values.every(isLabelValue)) return false;
    requirements.push({ key, operator, values });
    return true;
  };
  const key = (): string | undefined => (tokens[i]?.word === true ? tokens[i++]!.text : undefined);
  const value = (): string => (tokens[i]?.word === true ? tokens[i++]!.text : '');
  const set = (): string[] | undefined => {
    if (!symbol('(')) return undefined;
    const values: string[] = [value()];
    while (symbol(',')) values.push(value());
    return symbol(')') ? [...new Set(values)] : undefined;
  };
  const requirement = (): boolean => {
    if (symbol('!')) {
      const name = key();
      return name !== undefined && add(name, 'absent');
    }
    const name = key();
    if (name === undefined) return false;
    if (symbol('=') || symbol('==')) return add(name, 'in', [value()]);
    if (symbol('!=')) return add(name, 'notin', [value()]);
    if (symbol('>')) return add(name, 'gt', [value()]);
    if (symbol('<')) return add(name, 'lt', [value()]);
    const word = tokens[i];
    if (word?.word === true && (word.text === 'in' || word.text === 'notin')) {
      i++;
      const values = set();
      return values !== undefined && add(name, word.text, values);
    }
    return add(name, 'exists');
  };
  if (tokens.length === 0) return requirements;
  do {
    if (!requirement()) return undefined;
  } while (symbol(','));
  return i === tokens.length ? requirements : undefined;
}

/** Operators of a LabelSelector object. */
const EXPRESSIONS: Readonly<Record<string, Operator>> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: 'absent',
};

/** Keys of a Cilium selector may carry the source of the label. */
const bare = (key: string): string => key.replace(/^(?:k8s|any)[:.]/, '');

/** Reads a LabelSelector object (`matchLabels`, `matchExpressions`); absent selects everything. @throws LbtwinError `invalid-object` */
export function readLabelSelector(raw: unknown): Selector {
  if (!isRecord(raw)) return [];
  const requirements: Requirement[] = [];
  const labels = stringMap(raw, 'matchLabels');
  for (const key of Object.keys(labels)) requirements.push({ key: bare(key), operator: 'in', values: [labels[key]!] });
  each(raw, 'matchExpressions', (expression: Raw) => {
    const operator = EXPRESSIONS[text(expression, 'operator')];
    if (operator === undefined) throw invalid(expression['operator'], Object.keys(EXPRESSIONS).join(', '), 'operator');
    requirements.push({ key: bare(text(expression, 'key')), operator, values: texts(expression, 'values') });
  });
  return requirements;
}
