import { readFileSync } from 'node:fs';
import type { Result } from './measure.ts';

/** What a run finds, as `--json` writes it. */
export interface Run {
  readonly machine: string;
  readonly node: string;
  readonly results: readonly Result[];
}

/** What an earlier `--json` run wrote. */
export function readRun(file: string): Run {
  const run = JSON.parse(readFileSync(file, 'utf8')) as Partial<Run> | null;
  if (!Array.isArray(run?.results)) throw new Error(`${file} is no output of --json: it has no results`);
  for (const result of run.results as (Partial<Result> | null)[]) {
    if (typeof result?.name !== 'string' || typeof result.median !== 'number') {
      throw new Error(`${file} has a result without a name or a median`);
    }
  }
  return { machine: run.machine ?? 'unknown', node: run.node ?? 'unknown', results: run.results };
}

/**
 * Several runs as one. Of each time the lowest median counts: on a machine that has other work, that run was disturbed least. What is no
 * time is as the last run has it.
 */
export function mergeRuns(runs: readonly Run[]): Run {
  const merged = new Map<string, Result>();
  for (const result of runs.flatMap(({ results }) => results)) {
    const before = merged.get(result.name);
    const slower = before !== undefined && result.unit === 'ns/op' && before.median <= result.median;
    if (!slower) merged.set(result.name, result);
  }
  return { ...runs.at(-1)!, results: [...merged.values()] };
}

/** Medians of an earlier run by name. */
export const readMedians = (file: string): Map<string, number> =>
  new Map(readRun(file).results.map(({ name, median }) => [name, median]));

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
