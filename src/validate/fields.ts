import type { ErrorPath } from '../errors.ts';
import { apiPath, type SchemaError } from './schema.ts';

export const DNS_LABEL: RegExp = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
export const DNS_1035: RegExp = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_NAME = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

const LABEL_1123 =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const LABEL_1035 =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_1123 =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** A value inside an object, for checks by hand in the API server's words. Values of a wrong type read as absent. */
export class Field {
  readonly value: unknown;
  readonly path: ErrorPath;
  private readonly errors: SchemaError[];

  constructor(value: unknown, path: ErrorPath, errors: SchemaError[]) {
    this.value = value;
    this.path = path;
    this.errors = errors;
  }

  get given(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  field(name: string): Field {
    const own = typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
    const value = own ? (this.value as Record<string, unknown>)[name] : undefined;
    return new Field(value, [...this.path, name], this.errors);
  }

  items(): Field[] {
    if (!Array.isArray(this.value)) return [];
    return this.value.map((item, index) => new Field(item, [...this.path, index], this.errors));
  }

  text(): string | undefined {
    return typeof this.value === 'string' ? this.value : undefined;
  }

  number(): number | undefined {
    return typeof this.value === 'number' ? this.value : undefined;
  }

  private add(kind: string, message: string): void {
    this.errors.push({ path: this.path, at: this.path, kind, message: `${apiPath(this.path)}: ${message}` });
  }

  required(reason = ''): void {
    this.add('required', `Required value${reason === '' ? '' : `: ${reason}`}`);
  }

  invalid(reason: string, kind = 'invalid'): void {
    this.add(kind, `Invalid value: ${JSON.stringify(this.value)}: ${reason}`);
  }

  forbidden(reason: string): void {
    this.add('forbidden', `Forbidden: ${reason}`);
  }

  duplicate(): void {
    this.add('duplicate', `Duplicate value: ${JSON.stringify(this.value ?? '')}`);
  }

  tooMany(max: number): void {
    this.add('max-items', `Too many: ${this.items().length}: must have at most ${max} items`);
  }

  /** One of a few words; absent is fine. */
  among(allowed: readonly string[]): boolean {
    const value = this.text();
    if (value === undefined || allowed.includes(value)) return true;
    const values = allowed.map((word) => JSON.stringify(word)).join(', ');
    this.add('enum', `Unsupported value: ${JSON.stringify(value)}: supported values: ${values}`);
    return false;
  }

  /** A port number; absent is fine. */
  port(): void {
    const value = this.number();
    if (value !== undefined && (value < 1 || value > 65535)) this.invalid('must be between 1 and 65535, inclusive');
  }

  /** A port name: up to 15 of a-z, 0-9 and single inner dashes, with a letter. */
  portName(): void {
    const value = this.text();
    if (value === undefined) return;
    if (value.length > 15) this.invalid('must be no more than 15 characters');
    else if (!/^[-a-z0-9]+$/.test(value))
      this.invalid('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
    else if (!/[a-z]/.test(value)) this.invalid('must contain at least one letter (a-z)');
    else if (value.includes('--')) this.invalid('must not contain consecutive hyphens');
    else if (/^-|-$/.test(value)) this.invalid('must not begin or end with a hyphen');
  }

  dnsLabel(): void {
    const value = this.text();
    if (value === undefined) return;
    if (value.length > 63) this.invalid('must be no more than 63 characters');
    else if (!DNS_LABEL.test(value)) this.invalid(LABEL_1123);
  }

  dns1035(): void {
    const value = this.text();
    if (value === undefined) return;
    if (value.length > 63) this.invalid('must be no more than 63 characters');
    else if (!DNS_1035.test(value)) this.invalid(LABEL_1035);
  }

  dnsSubdomain(): void {
    const value = this.text();
    if (value === undefined) return;
    if (value.length > 253) this.invalid('must be no more than 253 characters');
    else if (!DNS_SUBDOMAIN.test(value)) this.invalid(SUBDOMAIN_1123);
  }

  /** Labels: qualified names as keys, label values as values. */
  labels(): void {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) return;
    for (const [key, value] of Object.entries(this.value)) {
      const slash = key.indexOf('/');
      const [prefix, name] = slash < 0 ? ['', key] : [key.slice(0, slash), key.slice(slash + 1)];
      const good = name.length <= 63 && LABEL_NAME.test(name) && (slash < 0 || DNS_SUBDOMAIN.test(prefix));
      if (!good)
        this.add(
          'invalid',
          `Invalid value: ${JSON.stringify(key)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
        );
      if (typeof value !== 'string') continue;
      if (value.length > 63)
        this.add('invalid', `Invalid value: ${JSON.stringify(value)}: must be no more than 63 characters`);
      else if (!LABEL_VALUE.test(value)) {
        this.add(
          'invalid',
          `Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
        );
      }
    }
  }
}
