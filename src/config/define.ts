import type { AgentOptions } from './agent-options.ts';
import type { Kind } from './kind.ts';
import { ABSENT, type Emit, type Option } from './option.ts';
import { both, type PerProfile } from './profile.ts';

type Reader = Option['reader'];

/** Defaults: one for both profiles, or `[1.17, 1.18]`. */
type Defaults<T> = T | { readonly '1.17': T; readonly '1.18': T };

const perProfile = <T>(value: Defaults<T>): PerProfile<T> =>
  typeof value === 'object' && value !== null && '1.17' in value ? value : both(value as T);

export const split = <T>(v17: T, v18: T): PerProfile<T> => ({ '1.17': v17, '1.18': v18 });

interface Row<F extends keyof AgentOptions> {
  readonly helm?: string;
  /** Default in values.yaml; absent if left out. */
  readonly values?: unknown;
  /** The agent's flag default; null: no flag. */
  readonly agent: Defaults<string | null>;
  readonly emit?: Emit;
  readonly kind: Kind<AgentOptions[F]>;
  readonly reader: Reader;
  readonly effect: string;
  readonly note?: string;
}

/** A row for a typed option of the agent. */
export function option<F extends keyof AgentOptions>(key: string, field: F, row: Row<F>): Option<F> {
  return {
    key,
    field,
    kind: row.kind,
    values: perProfile<unknown>('values' in row ? row.values : ABSENT),
    agent: perProfile(row.agent),
    reader: row.reader,
    effect: row.effect,
    ...(row.helm === undefined ? {} : { helm: row.helm }),
    ...(row.emit === undefined ? {} : { emit: row.emit }),
    ...(row.note === undefined ? {} : { note: row.note }),
  };
}

interface ChartRow {
  readonly key?: string;
  readonly partOf?: string;
  readonly values?: unknown;
  readonly emit?: Emit;
  readonly kind: Kind;
  readonly reader?: Reader;
  readonly effect: string;
  readonly note?: string;
}

/** A row for a Helm value that no agent flag reads under a key of its own. */
export function chartOnly(helm: string, row: ChartRow): Option {
  return {
    helm,
    kind: row.kind,
    values: perProfile<unknown>('values' in row ? row.values : ABSENT),
    agent: both(null),
    reader: row.reader ?? 'install',
    effect: row.effect,
    ...(row.key === undefined ? {} : { key: row.key }),
    ...(row.partOf === undefined ? {} : { partOf: row.partOf }),
    ...(row.emit === undefined ? {} : { emit: row.emit }),
    ...(row.note === undefined ? {} : { note: row.note }),
  };
}
