import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import type { Family } from '../net/address.ts';
import { tryParseCidr } from '../net/cidr.ts';

/**
 * A type of option value as the agent's flags know it. `parse` reads the text of a ConfigMap entry and returns the problem as text if
 * it is none; `format` writes a value in its plain form, so that `parse(format(v))` equals `v`.
 */
export interface Kind<T = unknown> {
  readonly name: string;
  /** What is accepted, in a few words. */
  readonly allowed: string;
  parse(text: string): { readonly value: T } | { readonly problem: string };
  format(value: T): string;
  /** Two or more different legal values, for tests and examples. */
  readonly samples: readonly T[];
}

const ok = <T>(value: T): { readonly value: T } => ({ value });
const bad = (problem: string): { readonly problem: string } => ({ problem });

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

export const bool: Kind<boolean> = {
  name: 'boolean',
  allowed: 'true or false',
  samples: [true, false],
  parse: (text) =>
    TRUE.has(text) ? ok(true) : FALSE.has(text) ? ok(false) : bad(`${JSON.stringify(text)} is not a boolean`),
  format: String,
};

export function int(min: number, max: number, ...more: number[]): Kind<number> {
  return {
    name: 'integer',
    allowed: `an integer from ${min} to ${max}`,
    samples: more.length > 0 ? more : [min, max],
    parse: (text) => {
      if (!/^[-+]?\d+$/.test(text)) return bad(`${JSON.stringify(text)} is not an integer`);
      const value = Number(text);
      return value >= min && value <= max ? ok(value) : bad(`${value} is out of range`);
    },
    format: String,
  };
}

export const ratio: Kind<number> = {
  name: 'ratio',
  allowed: 'a number from 0 to 1',
  samples: [0.0025, 0.01],
  parse: (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    return value >= 0 && value <= 1 ? ok(value) : bad(`${JSON.stringify(text)} is not a number from 0 to 1`);
  },
  format: String,
};

export function oneOf<T extends string>(...values: T[]): Kind<T> {
  return {
    name: 'choice',
    allowed: values.map((value) => (value === '' ? '(empty)' : value)).join(', '),
    samples: values,
    parse: (text) => {
      const value = values.find((known) => known === text);
      return value === undefined ? bad(`${JSON.stringify(text)} is not a known value`) : ok(value);
    },
    format: String,
  };
}

export function anyText(...samples: string[]): Kind<string> {
  return { name: 'text', allowed: 'any text', samples, parse: ok, format: String };
}

export const path: Kind<string> = {
  name: 'path',
  allowed: 'an absolute path, or nothing',
  samples: ['/sys/fs/bpf', '/run/other'],
  parse: (text) => (text === '' || text.startsWith('/') ? ok(text) : bad(`${JSON.stringify(text)} is not absolute`)),
  format: String,
};

/** Words that blanks (or, if `comma`, commas and blanks) separate. */
export function words(samples: readonly (readonly string[])[], comma = false): Kind<readonly string[]> {
  return {
    name: 'list',
    allowed: comma ? 'a list separated by commas' : 'a list separated by blanks',
    samples,
    parse: (text) => ok(text.split(comma ? /[\s,]+/ : /\s+/).filter((word) => word !== '')),
    format: (value) => value.join(comma ? ',' : ' '),
  };
}

export const cidrs: Kind<readonly string[]> = {
  name: 'CIDR list',
  allowed: 'CIDRs separated by commas',
  samples: [['10.0.0.0/8'], ['192.168.0.0/16', 'fd00::/8']],
  parse: (text) => {
    const list = (text === '[]' ? '' : text).split(/[\s,]+/).filter((word) => word !== '');
    const wrong = list.find((word) => tryParseCidr(word) === undefined);
    return wrong === undefined ? ok(list) : bad(`${JSON.stringify(wrong)} is not a CIDR`);
  },
  format: (value) => value.join(','),
};

/** One CIDR of a family, or nothing. */
export function cidr(family: Family): Kind<string> {
  return {
    name: 'CIDR',
    allowed: `an IPv${family} CIDR, or nothing`,
    samples: family === 4 ? ['10.0.0.0/8', '172.16.0.0/12'] : ['fd00::/8', '2001:db8::/32'],
    parse: (text) =>
      text === '' || tryParseCidr(text)?.address.family === family
        ? ok(text)
        : bad(`${JSON.stringify(text)} is not an IPv${family} CIDR`),
    format: String,
  };
}

/** Ports, both ends included. */
export interface PortRange {
  readonly min: number;
  readonly max: number;
}

const PORT = /^\d+$/;

export const portRange: Kind<PortRange> = {
  name: 'port range',
  allowed: '"min,max" with min < max, both ports from 0 to 65535',
  samples: [
    { min: 30000, max: 32767 },
    { min: 20000, max: 21999 },
  ],
  parse: (text) => {
    const parts = text.trim().split(/[\s,]+/);
    if (parts.length !== 2) return bad('unable to parse min/max port range');
    const [min, max] = parts as [string, string];
    for (const [name, part] of [
      ['min', min],
      ['max', max],
    ] as const) {
      if (!PORT.test(part)) {
        return bad(
          `unable to parse ${name} port value: strconv.ParseUint: parsing ${JSON.stringify(part)}: invalid syntax`,
        );
      }
      if (Number(part) > 65535) {
        return bad(
          `unable to parse ${name} port value: strconv.ParseUint: parsing ${JSON.stringify(part)}: value out of range`,
        );
      }
    }
    if (Number(max) <= Number(min)) {
      return bad(`max port value, ${Number(max)}, is less than or equal to min port value, ${Number(min)}`);
    }
    return ok({ min: Number(min), max: Number(max) });
  },
  format: ({ min, max }) => `${min},${max}`,
};

const UNITS: Readonly<Record<string, number>> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** A Go duration, in seconds. */
export const duration: Kind<number> = {
  name: 'duration',
  allowed: 'a duration such as 30s, 2h13m20s or 50ms',
  samples: [30, 60],
  parse: (text) => {
    if (text === '0') return ok(0);
    const negative = text.startsWith('-');
    const body = text.replace(/^[-+]/, '');
    if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(body)) {
      return bad(`time: invalid duration ${JSON.stringify(text)}`);
    }
    let seconds = 0;
    for (const [, amount, unit] of body.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g)) {
      seconds += Number(amount) * UNITS[unit!]!;
    }
    return ok(negative ? -seconds : seconds);
  },
  format: (seconds) => {
    if (seconds === 0) return '0s';
    if (Math.abs(seconds) < 1) return `${Math.round(seconds * 1e9) / 1e6}ms`;
    const sign = seconds < 0 ? '-' : '';
    const total = Math.abs(seconds);
    const hours = Math.floor(total / 3600);
    const minutes = Math.floor((total % 3600) / 60);
    const rest = Math.round((total % 60) * 1e9) / 1e9;
    if (hours > 0) return `${sign}${hours}h${minutes}m${rest}s`;
    return minutes > 0 ? `${sign}${minutes}m${rest}s` : `${sign}${rest}s`;
  },
};

/** `a=1,b=2` with small integers. */
export const zoneMap: Kind<Readonly<Record<string, number>>> = {
  name: 'zone numbers',
  allowed: 'zone=number pairs separated by commas, numbers from 0 to 255',
  samples: [{ a: 1 }, { a: 1, b: 2 }],
  parse: (text) => {
    const zones: Record<string, number> = {};
    for (const pair of text.split(',').filter((part) => part !== '')) {
      const [zone, number, ...more] = pair.split('=');
      if (number === undefined || more.length > 0 || !/^\d+$/.test(number) || Number(number) > 255) {
        return bad(`${JSON.stringify(pair)} is not a zone=number pair`);
      }
      zones[zone!] = Number(number);
    }
    return ok(zones);
  },
  format: (zones) =>
    Object.entries(zones)
      .map(([zone, number]) => `${zone}=${number}`)
      .join(','),
};

/** One of the listed integers. */
export function intOneOf(values: readonly number[]): Kind<number> {
  return {
    name: 'integer',
    allowed: values.join(', '),
    samples: values,
    parse: (text) =>
      /^\d+$/.test(text) && values.includes(Number(text))
        ? ok(Number(text))
        : bad(`${JSON.stringify(text)} is not supported`),
    format: String,
  };
}

/** Twelve bytes in base64. */
export const hashSeed: Kind<string> = {
  name: 'hash seed',
  allowed: 'base64 of twelve bytes (head -c12 /dev/urandom | base64 -w0)',
  samples: [DEFAULT_HASH_SEED, 'AAECAwQFBgcICQoL'],
  parse: (text) => {
    try {
      parseHashSeed(text);
      return ok(text);
    } catch {
      return bad(`${JSON.stringify(text)} is not base64 of twelve bytes`);
    }
  },
  format: String,
};
