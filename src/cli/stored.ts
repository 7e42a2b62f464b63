import { LbtwinError } from '../errors.ts';
import type { RawObject } from '../k8s/raw.ts';
import type { InputError } from '../k8s/source.ts';
import { locateError, type ObjectBatch } from '../k8s/read.ts';
import type { validateObject } from '../validate/index.ts';
import type { Args } from './args.ts';
import type { Io } from './io.ts';

/** Policies: what the API server would not store of them, no agent ever sees. */
const isPolicy = ({ kind }: RawObject): boolean => kind.endsWith('NetworkPolicy');

/** The objects that the API server would store. `refuse` is told of each other one. */
export function storedOf(
  objects: readonly RawObject[],
  origins: ObjectBatch['origins'],
  validate: typeof validateObject,
  refuse: (error: InputError) => void,
): readonly RawObject[] {
  return objects.filter((object) => {
    if (!isPolicy(object)) return true;
    const { schema } = validate(object);
    for (const { path, message } of schema.slice(0, 1)) {
      const error = new LbtwinError('refused-by-api-server', `the API server refuses it: ${message}`, { path });
      refuse(locateError(error, object, origins.get(object)!));
    }
    return schema.length === 0;
  });
}

/**
 * The same for the objects of `-f`, told on standard error.
 * @throws InputError with `--strict`, for the first object refused
 */
export async function readStored(batch: ObjectBatch, args: Args, io: Io): Promise<readonly RawObject[]> {
  if (!batch.objects.some(isPolicy)) return batch.objects;
  // The schemas take as long to load as a whole journey does.
  const { validateObject } = await import('../validate/index.ts');
  return storedOf(batch.objects, batch.origins, validateObject, (error) => {
    if (args.flag('strict')) throw error;
    io.warn(`lbtwin: refused: ${error.message}\n`);
  });
}
