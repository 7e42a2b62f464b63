import { createHash } from 'node:crypto';
import { parseHashSeed } from '../../src/hash/seed.ts';
import { HASH_WORDS, type MaglevBackend, offsetOf, skipOf } from '../../src/maglev/backend.ts';
import { buildLookupTable, prepareBackends } from '../../src/maglev/table.ts';
import { conformance } from './harness.ts';

type BackendRecord = Required<Omit<MaglevBackend, 'scope' | 'clusterId' | 'address'>> & {
  address: string;
  scope?: 'internal';
  clusterId?: number;
  hashString: string;
};

interface MaglevCase {
  name: string;
  note?: string;
  hashSeedBase64: string;
  tableSize: number;
  backends: BackendRecord[];
  table?: number[];
  first64?: number[];
  samples?: [number, number][];
}

const hex64 = (words: Uint32Array, at: number): string =>
  [words[at]!, words[at + 1]!].map((word) => word.toString(16).padStart(8, '0')).join('');

function weightsUsed(backends: readonly BackendRecord[]): boolean {
  const sum = backends.reduce((total, backend) => total + backend.weight, 0);
  return Math.floor(sum / backends.length) > 1;
}

conformance<{ about: { caseCount: number }; cases: MaglevCase[] }, MaglevCase>(
  'maglev',
  (doc) => {
    if (doc.about.caseCount !== doc.cases.length) throw new Error('about.caseCount does not match');
    return doc.cases;
  },
  (testCase) => {
    const { name, note, hashSeedBase64, tableSize } = testCase;
    // Small tables are recorded whole, large ones by their beginning and samples.
    if (tableSize <= 1021 !== (testCase.table !== undefined)) throw new Error('table is missing or not expected');
    if (tableSize > 1021 && (testCase.first64 === undefined || !testCase.samples?.length))
      throw new Error('no samples');
    const inputs: MaglevBackend[] = testCase.backends.map(
      ({ id, address, port, protocol, weight, scope, clusterId }) => ({
        id,
        address,
        port,
        protocol,
        weight,
        ...(scope === undefined ? {} : { scope }),
        ...(clusterId === undefined ? {} : { clusterId }),
      }),
    );
    const seedMurmur = parseHashSeed(hashSeedBase64).murmur;
    const { texts, ids, hashes } = prepareBackends(inputs, seedMurmur);
    const table = buildLookupTable(inputs, { tableSize, hashSeed: hashSeedBase64 });
    const slots = new Map<number, number>();
    for (const id of table) slots.set(id, (slots.get(id) ?? 0) + 1);
    const bytes = Buffer.alloc(4 * tableSize);
    table.forEach((id, slot) => bytes.writeUInt32LE(id, 4 * slot));
    return {
      name,
      ...(note === undefined ? {} : { note }),
      hashSeedBase64,
      seedMurmur,
      tableSize,
      weightsUsed: weightsUsed(testCase.backends),
      backends: inputs.map((backend) => {
        const at = prepareBackends([backend], seedMurmur);
        const sorted = texts.indexOf(at.texts[0]!) * HASH_WORDS;
        return {
          ...backend,
          hashString: at.texts[0],
          h1: hex64(hashes, sorted),
          h2: hex64(hashes, sorted + 2),
          offset: offsetOf(hashes, sorted, tableSize),
          skip: skipOf(hashes, sorted, tableSize),
          slots: slots.get(backend.id) ?? 0,
        };
      }),
      sortedIds: [...ids],
      tableSha256LE32: createHash('sha256').update(bytes).digest('hex'),
      ...(testCase.table === undefined ? {} : { table: [...table] }),
      ...(testCase.first64 === undefined ? {} : { first64: [...table.subarray(0, 64)] }),
      ...(testCase.samples === undefined ? {} : { samples: testCase.samples.map(([slot]) => [slot, table[slot]]) }),
    };
  },
);
