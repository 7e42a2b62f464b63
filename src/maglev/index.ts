export { LbtwinError } from '../errors.ts';
export { backendHashString, DEFAULT_WEIGHT, type MaglevBackend, offsetOf, skipOf } from './backend.ts';
export { type BackendShare, measureBalance, type TableBalance } from './balance.ts';
export { type BackendMoves, type CompareOptions, compareTables, type TableComparison } from './compare.ts';
export { weightsMatter } from './fill.ts';
export { relatedPairs, type RelatedSkips, relatedSkips } from './skips.ts';
export { checkTableSize, DEFAULT_TABLE_SIZE, TABLE_SIZES } from './sizes.ts';
export { buildLookupTable, type MaglevOptions, type PreparedBackends, prepareBackends, tableOf } from './table.ts';
export { DEFAULT_HASH_SEED, type HashSeeds, parseHashSeed } from '../hash/seed.ts';
