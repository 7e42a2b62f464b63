import { HashTable } from '../hash/table.ts';
import type { Family } from '../net/address.ts';
import { CT_VALUE_WORDS } from './entry.ts';
import { type ConntrackOptions, resolveConntrackOptions } from './options.ts';
import { tupleWords } from './tuple.ts';

/** The two tables of one family. */
export interface ConntrackTables {
  readonly tcp: HashTable;
  readonly any: HashTable;
}

/** Empty conntrack tables of the configured sizes. */
export function createConntrackTables(family: Family, options: Partial<ConntrackOptions> = {}): ConntrackTables {
  const { tcpMaxEntries, anyMaxEntries } = resolveConntrackOptions(options);
  const shape = { kind: 'lru', keyWords: tupleWords(family), valueWords: CT_VALUE_WORDS } as const;
  return {
    tcp: new HashTable({ ...shape, maxEntries: tcpMaxEntries }),
    any: new HashTable({ ...shape, maxEntries: anyMaxEntries }),
  };
}
