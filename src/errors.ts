/** Where in the input a problem is: object keys and array indices, outermost first. */
export type ErrorPath = readonly (string | number)[];

export interface LbtwinErrorDetails {
  /** Where in the input, for instance `['spec', 'ports', 0, 'port']`. */
  readonly path?: ErrorPath;
  /** What would have been accepted, in a few words. */
  readonly allowed?: string;
  /** The error that led here, if any. */
  readonly cause?: unknown;
}

/**
 * The one error class of this library: bad input, told with a stable `code`, the path into the input and what is allowed.
 * Outcomes of the simulated system (drops, missing backends, errno values) are never thrown: they are values.
 */
export class LbtwinError extends Error {
  /** Stable, kebab-case, safe to match on; `message` is for people and may change. */
  readonly code: string;
  readonly path: ErrorPath;
  readonly allowed: string | undefined;
  /** The message without path and allowed values. */
  readonly reason: string;

  constructor(code: string, reason: string, details: LbtwinErrorDetails = {}) {
    const path = details.path ?? [];
    const where = path.length > 0 ? `${formatPath(path)}: ` : '';
    const allowed = details.allowed === undefined ? '' : ` (allowed: ${details.allowed})`;
    super(`${where}${reason}${allowed}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'LbtwinError';
    this.code = code;
    this.reason = reason;
    this.path = path;
    this.allowed = details.allowed;
  }

  /** The same error, seen from further out: `prefix` is put before the path. */
  under(...prefix: readonly (string | number)[]): LbtwinError {
    return new LbtwinError(this.code, this.reason, {
      path: [...prefix, ...this.path],
      ...(this.allowed === undefined ? {} : { allowed: this.allowed }),
      ...(this.cause === undefined ? {} : { cause: this.cause }),
    });
  }
}

/** `['items', 3, 'spec', 'a.b/c']` as `items[3].spec["a.b/c"]`. */
export function formatPath(path: ErrorPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** Runs `read`; an `LbtwinError` from it gets `prefix` put before its path. */
export function withPath<T>(prefix: ErrorPath, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof LbtwinError ? error.under(...prefix) : error;
  }
}
