export { describeObject, isUsedKind, type RawObject } from './raw.ts';
export { InputError, type Origin, type Position } from './source.ts';
export { formatUnused, locateError, type ObjectBatch, positionOf, readObjects, type ReadOptions } from './read.ts';
