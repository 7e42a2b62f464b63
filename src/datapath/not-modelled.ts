import { LbtwinError } from '../errors.ts';

/** The error for what the twin cannot decide: `what`, in the plural, is in the way; `instead` is what may be there. */
export const notModelled = (what: string, instead: string): LbtwinError =>
  new LbtwinError('not-modelled', `${what} are not part of the twin`, { allowed: instead });
