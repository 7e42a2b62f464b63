import { LbtwinError } from '../../errors.ts';
import { checkColumns } from '../../lb/columns.ts';
import type { Service } from '../../lb/service.ts';
import type { TupleColumns } from '../../lb/tuple.ts';
import { hasTaken, sharedChunks } from '../threads/chunks.ts';
import { runTuples } from './perform.ts';
import { type ThreadOptions, withThreads } from './threads.ts';
import { shared, sharedWords } from './trace.ts';

/**
 * `selectBackends` on several threads: backend ids by row, 0 for none. The choice needs no state, so threads take runs of rows until none is left.
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
  await withThreads(options, async (others) => {
    const chunks = sharedChunks(1 + others.length);
    const job = {
      kind: 'tuples' as const,
      service: inSharedMemory(service),
      columns: sharedColumns(columns),
      random: draws ? shared(options.random!) : undefined,
      out,
      chunks,
    };
    const asked = others.map((thread, i) => thread.ask({ ...job, thread: i + 1 }));
    // One that fails before it has taken anything is not needed.
    for (const answer of asked) answer.catch(() => {});
    runTuples({ ...job, thread: 0 });
    await Promise.all(asked.filter((_, i) => hasTaken(chunks, i + 1)));
  });
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
