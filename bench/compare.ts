import { readFileSync } from 'node:fs';
import type { Result } from './measure.ts';

/** Medians of an earlier `--json` run by name. */
export function readMedians(file: string): Map<string, number> {
  const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
  const results = (parsed as { results?: unknown } | null)?.results;
  if (!Array.isArray(results)) throw new Error(`${file} is no output of --json: it has no results`);
  return new Map(
    results.map((result: Partial<Result> | null) => {
      if (typeof result?.name === 'string' && typeof result.median === 'number') return [result.name, result.median];
      throw new Error(`${file} has a result without a name or a median`);
    }),
  );
}

/**
 * How a result stands against an earlier median: `-12 %`, `~ +3 %` if the earlier median lies within the samples now, so that the
 * difference may be chance.
 */
export function change({ median, min, max }: Result, before: number | undefined): string {
  if (before === undefined) return 'new';
  const percent = (median / before - 1) * 100;
  const text = `${percent < 0 ? '-' : '+'}${Math.abs(percent).toFixed(0)} %`;
  return before >= min && before <= max ? `~ ${text}` : text;
}
