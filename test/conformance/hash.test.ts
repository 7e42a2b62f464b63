import { jhash1Word, jhash2Words, jhash3Words, jhashBytes } from '../../src/hash/jhash.ts';
import { hashTuple } from '../../src/hash/tuple.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { conformance } from './harness.ts';

type HashCase = { fn: string; hash: number } & Record<string, number | string>;

/** The tuple hashes; the explicit ports win over the tuple's own. */
function tupleHash(testCase: HashCase, family: 4 | 6, sport: string, dport: string): Record<string, unknown> {
  const { seed, nexthdr } = testCase;
  const address = parseAddress(String(testCase['saddr']));
  const number = (key: string): number => Number(testCase[key]);
  if (address.family !== family) throw new Error('address family differs from the function');
  return {
    ...testCase,
    saddr: formatAddress(address),
    daddr: formatAddress(parseAddress(String(testCase['daddr']))),
    hash: hashTuple(family, address.words, 0, number(sport), number(dport), Number(nexthdr), Number(seed)),
  };
}

const FIELDS: Record<string, string> = {
  jhash_1word: 'a fn hash initval',
  jhash_2words: 'a b fn hash initval',
  jhash_3words: 'a b c fn hash initval',
  jhash: 'fn hash initval key_hex',
  hash_from_tuple_v4: 'daddr dport flags fn hash nexthdr saddr seed sport',
  hash_from_tuple_v6: 'daddr dport flags fn hash nexthdr saddr seed sport',
  __hash_from_tuple_v4: 'arg_dport arg_sport daddr fn hash nexthdr saddr seed tuple_dport tuple_sport',
  __hash_from_tuple_v6: 'arg_dport arg_sport daddr fn hash nexthdr saddr seed tuple_dport tuple_sport',
};

conformance<{ meta: { count: number }; cases: HashCase[] }, HashCase>(
  'hash',
  (doc) => {
    if (doc.meta.count !== doc.cases.length) throw new Error('meta.count does not match');
    return doc.cases;
  },
  (testCase) => {
    const { fn } = testCase;
    const fields = Object.keys(testCase).sort().join(' ');
    if (fields !== FIELDS[fn]) throw new Error(`unknown function or fields: ${fn}: ${fields}`);
    const [a, b, c, initval] = ['a', 'b', 'c', 'initval'].map((key) => Number(testCase[key])) as [
      number,
      number,
      number,
      number,
    ];
    switch (fn) {
      case 'jhash_1word':
        return { ...testCase, hash: jhash1Word(a, initval) };
      case 'jhash_2words':
        return { ...testCase, hash: jhash2Words(a, b, initval) };
      case 'jhash_3words':
        return { ...testCase, hash: jhash3Words(a, b, c, initval) };
      case 'jhash':
        return { ...testCase, hash: jhashBytes(Buffer.from(String(testCase['key_hex']), 'hex'), initval) };
      default:
        return fn.startsWith('__')
          ? tupleHash(testCase, fn.endsWith('v4') ? 4 : 6, 'arg_sport', 'arg_dport')
          : tupleHash(testCase, fn.endsWith('v4') ? 4 : 6, 'sport', 'dport');
    }
  },
);
