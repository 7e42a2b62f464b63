import { availableParallelism } from 'node:os';
import { LbtwinError } from '../../errors.ts';
import { checkColumns } from '../../lb/columns.ts';
import type { Service } from '../../lb/service.ts';
import type { TupleColumns } from '../../lb/tuple.ts';
import { runJobs } from '../threads/pool.ts';
import { perform, type ReplayJob, type ReplayResult } from './perform.ts';
import { shared, sharedWords } from './trace.ts';

export interface ThreadOptions {
  /** Threads to use, 1..256; one per core if absent. 1 works in the caller's. */
  readonly threads?: number;
  /** The program of a thread; the one of this package unless given. */
  readonly worker?: URL;
}

export const WORKER: URL = new URL('./worker.js', import.meta.url);

/** @throws LbtwinError `invalid-threads` */
export function threadsOf({ threads = availableParallelism() }: ThreadOptions): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= 256) return threads;
  throw new LbtwinError('invalid-threads', `${String(threads)} is no number of threads`, {
    path: ['threads'],
    allowed: '1..256',
  });
}

/**
 * `selectBackends` on several threads: backend ids by row, 0 for none. The choice needs no state, so rows are shared out in equal runs.
 * Columns that are in shared memory already are not copied.
 * @param random needed by algorithm `random`: one word for each row
 * @returns in shared memory
 * @throws LbtwinError as `selectBackends`, and `invalid-threads`
 */
export async function replayTuples(
  service: Service,
  columns: TupleColumns,
  options: ThreadOptions & { readonly random?: Uint32Array } = {},
): Promise<Uint32Array> {
  const threads = threadsOf(options);
  const rows = columns.sport.length;
  const out = sharedWords(rows);
  checkColumns(service, columns, out);
  const draws = service.count > 0 && service.owners === undefined;
  if (draws && (options.random === undefined || options.random.length < rows)) {
    throw new LbtwinError('random-required', 'algorithm random needs random words', {
      path: ['random'],
      allowed: 'one word for each row',
    });
  }
  const common = {
    kind: 'tuples' as const,
    service: inSharedMemory(service),
    columns: sharedColumns(columns),
    random: draws ? shared(options.random!) : undefined,
    out,
  };
  const each = Math.ceil(rows / threads);
  const jobs: ReplayJob[] = Array.from({ length: threads }, (_, i) => ({
    ...common,
    from: Math.min(rows, i * each),
    to: Math.min(rows, (i + 1) * each),
  }));
  await runJobs<ReplayJob, ReplayResult>(jobs, { threads, worker: options.worker ?? WORKER, perform, done: () => {} });
  return out;
}

/** Threads need the tables, not the backends' names. */
const inSharedMemory = (service: Service): Service => ({
  ...service,
  backends: [],
  slots: shared(service.slots),
  owners: service.owners === undefined ? undefined : shared(service.owners),
});

const sharedColumns = ({ family, saddr, sport, protocol }: TupleColumns): TupleColumns => ({
  family,
  saddr: shared(saddr),
  sport: shared(sport),
  // Checked already, as are the destinations; an ANY frontend hashes it.
  ...(protocol === undefined ? {} : { protocol: shared(protocol) }),
});
