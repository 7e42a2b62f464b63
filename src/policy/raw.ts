import { type ErrorPath, LbtwinError } from '../errors.ts';

/** A value out of YAML or JSON, with the place it was found at: reading it checks its type as decoding in Go does. */
export class Raw {
  readonly value: unknown;
  readonly path: ErrorPath;

  constructor(value: unknown, path: ErrorPath = []) {
    this.value = value;
    this.path = path;
  }

  /** Absent or null. */
  get missing(): boolean {
    return this.value === undefined || this.value === null;
  }

  field(name: string): Raw {
    return new Raw(this.missing ? undefined : this.object()[name], [...this.path, name]);
  }

  object(): Readonly<Record<string, unknown>> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) this.wrong('an object');
    return this.value as Record<string, unknown>;
  }

  /** The items of a list; undefined when there is no list. */
  list(): Raw[] | undefined {
    if (this.missing) return undefined;
    if (!Array.isArray(this.value)) this.wrong('a list');
    return (this.value as unknown[]).map((item, index) => new Raw(item, [...this.path, index]));
  }

  string(): string | undefined {
    if (this.missing) return undefined;
    if (typeof this.value !== 'string') this.wrong('a string');
    return this.value as string;
  }

  boolean(): boolean | undefined {
    if (this.missing) return undefined;
    if (typeof this.value !== 'boolean') this.wrong('true or false');
    return this.value as boolean;
  }

  integer(): number | undefined {
    if (this.missing) return undefined;
    if (!Number.isInteger(this.value)) this.wrong('an integer');
    return this.value as number;
  }

  stringOrInteger(): string | number | undefined {
    if (this.missing) return undefined;
    if (typeof this.value !== 'string' && !Number.isInteger(this.value)) this.wrong('a string or an integer');
    return this.value as string | number;
  }

  /** A map from strings to strings; empty when there is none. */
  stringMap(): Readonly<Record<string, string>> {
    if (this.missing) return {};
    for (const key of Object.keys(this.object())) if (this.field(key).missing) this.field(key).wrong('a string');
    for (const key of Object.keys(this.object())) this.field(key).string();
    return this.value as Record<string, string>;
  }

  strings(): string[] | undefined {
    return this.list()?.map((item) => item.string() ?? '');
  }

  /** @throws LbtwinError with this value's path */
  fail(code: string, reason: string, allowed?: string): never {
    throw new LbtwinError(code, reason, { path: this.path, ...(allowed === undefined ? {} : { allowed }) });
  }

  wrong(allowed: string): never {
    const shown = JSON.stringify(this.value) ?? 'nothing';
    return this.fail(
      'json-type-error',
      `${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown} has the wrong type`,
      allowed,
    );
  }
}
