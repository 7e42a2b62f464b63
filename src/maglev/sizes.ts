import { LbtwinError } from '../errors.ts';

/** The table sizes that Cilium accepts (`bpf-lb-maglev-table-size`); all prime. */
export const TABLE_SIZES = [251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521, 131071] as const;

export const DEFAULT_TABLE_SIZE = 16381;

/** @throws LbtwinError `unsupported-table-size` */
export function checkTableSize(size: unknown): number {
  if (!(TABLE_SIZES as readonly unknown[]).includes(size)) {
    throw new LbtwinError('unsupported-table-size', `Maglev table size ${JSON.stringify(size)} is not supported`, {
      allowed: TABLE_SIZES.join(', '),
    });
  }
  return size as number;
}
