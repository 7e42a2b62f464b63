import { hashTuple } from '../../src/hash/tuple.ts';
import { Algorithm, affinityTimeout, hasAffinity, serviceAlgorithm } from '../../src/lb/layout.ts';
import { maglevBackendId, randomSlot } from '../../src/lb/slot.ts';
import { formatAddress, parseAddress } from '../../src/net/address.ts';
import { conformance, exactKeys } from './harness.ts';

type Lut =
  | { kind: 'cycle'; ids: number[] }
  | { kind: 'affine'; a: number; b: number; m: number }
  | { kind: 'identity_plus_1' }
  | { kind: 'segments'; cuts: number[]; ids: number[] };

interface SelectCase {
  algorithm: 'maglev' | 'random' | 'first' | 'per-service' | 'socket-lb';
  mode?: 'global' | 'per-service';
  family: 4 | 6;
  proto?: number;
  table_size: number;
  seed: number;
  flow: { client: string; client_port: number; vip: string; svc_port: number; proto: number };
  service: {
    rev_nat_index: number;
    flags?: number;
    count: number;
    scope?: number;
    affinity?: boolean;
    affinity_timeout_word: number;
  };
  count: number;
  lut: Lut | null;
  slot_backend_ids?: number[] | null;
  slot_present?: boolean;
  slot_backend_id?: number | null;
  random_word: number;
}

/** The synthetic table of a case. */
function tableOf(lut: Lut, size: number): Uint32Array {
  switch (lut.kind) {
    case 'cycle':
      return Uint32Array.from({ length: size }, (_, i) => lut.ids[i % lut.ids.length]!);
    case 'affine':
      return Uint32Array.from({ length: size }, (_, i) => ((lut.a * i + lut.b) % lut.m) + 1);
    case 'identity_plus_1':
      return Uint32Array.from({ length: size }, (_, i) => i + 1);
    case 'segments':
      return Uint32Array.from({ length: size }, (_, i) => lut.ids[lut.cuts.filter((cut) => cut <= i).length]!);
    default:
      throw new Error(`unknown table kind ${JSON.stringify(lut)}`);
  }
}

function flowOf(testCase: SelectCase): SelectCase['flow'] {
  const { flow, family } = testCase;
  const [client, vip] = [parseAddress(flow.client), parseAddress(flow.vip)];
  if (client.family !== family || vip.family !== family) throw new Error('addresses are not of the family');
  return { ...flow, client: formatAddress(client), vip: formatAddress(vip) };
}

function byTable(testCase: SelectCase): { hash: number; index: number | null; backend_id: number } {
  const { family, flow, seed, service, lut, table_size } = testCase;
  const { words } = parseAddress(flow.client);
  const hash = hashTuple(family, words, 0, service.affinity ? 0 : flow.client_port, flow.svc_port, flow.proto, seed);
  const table = lut === null ? undefined : tableOf(lut, table_size);
  return { hash, index: table === undefined ? null : hash % table.length, backend_id: maglevBackendId(table, hash) };
}

/** The backend in a slot; 0 when the slot is missing from the map. */
function bySlot(testCase: SelectCase, slot: number): number {
  const { slot_backend_ids: ids, slot_present: present, slot_backend_id: id } = testCase;
  if (ids !== undefined) return ids?.[slot - 1] ?? 0;
  return present === true ? id! : 0;
}

/** Answers by algorithm; `fields` names what a case must consist of, so that nothing stays unread. */
function answer(testCase: SelectCase): Record<string, unknown> {
  const { algorithm, service } = testCase;
  const draw = (): { slot: number; random_words_used: number } => ({
    slot: randomSlot(testCase.random_word, service.count),
    random_words_used: 1,
  });
  switch (algorithm) {
    case 'maglev': {
      if (hasAffinity(service.flags!) !== service.affinity) throw new Error('affinity differs from the flags');
      return { ...byTable(testCase), random_words_used: 0 };
    }
    case 'random': {
      const drawn = draw();
      const { vip: address, svc_port: dport, proto } = flowOf(testCase);
      const key = { address, dport, backend_slot: drawn.slot, proto, scope: service.scope };
      return { ...drawn, slot_key: key, backend_id: bySlot(testCase, drawn.slot) };
    }
    case 'first':
      return { slot: 1, backend_id: bySlot(testCase, 1), random_words_used: 0 };
    case 'socket-lb':
      return { slot: randomSlot(testCase.random_word, testCase.count), random_words_used: 1 };
    case 'per-service': {
      const word = service.affinity_timeout_word;
      const code = serviceAlgorithm(word);
      const decoded = { service: { ...service, algorithm_byte: code, timeout: affinityTimeout(word) } };
      if (code === Algorithm.MAGLEV) return { ...decoded, ...byTable(testCase), random_words_used: 0 };
      if (code !== Algorithm.RANDOM) return { ...decoded, backend_id: 0, random_words_used: 0 };
      const drawn = draw();
      return { ...decoded, ...drawn, backend_id: bySlot(testCase, drawn.slot) };
    }
    default:
      throw new Error(`unknown algorithm ${String(algorithm)}`);
  }
}

const INPUTS: Record<SelectCase['algorithm'], readonly string[]> = {
  maglev: ['algorithm', 'mode', 'family', 'table_size', 'seed', 'lut'],
  random: [
    'algorithm',
    'mode',
    'family',
    'service',
    'random_word',
    'slot_backend_ids',
    'slot_present',
    'slot_backend_id',
  ],
  first: ['algorithm', 'mode', 'family', 'slot_backend_ids'],
  'per-service': ['algorithm', 'mode', 'family', 'table_size', 'seed', 'lut', 'slot_backend_ids', 'random_word'],
  'socket-lb': ['algorithm', 'proto', 'random_word', 'count'],
};

/** What an algorithm's case holds beside its inputs and answers: a flow, and a service of these keys. */
const SERVICE_KEYS: Partial<Record<SelectCase['algorithm'], readonly string[]>> = {
  maglev: ['rev_nat_index', 'flags', 'affinity'],
  random: ['rev_nat_index', 'count', 'scope'],
  'per-service': ['rev_nat_index', 'count', 'affinity', 'affinity_timeout_word', 'algorithm_byte', 'timeout'],
};
const LUT_KEYS: Record<Lut['kind'], readonly string[]> = {
  cycle: ['kind', 'ids'],
  affine: ['kind', 'a', 'b', 'm'],
  identity_plus_1: ['kind'],
  segments: ['kind', 'cuts', 'ids'],
};

function checkShape(testCase: SelectCase): void {
  const { algorithm, lut } = testCase;
  const keys = SERVICE_KEYS[algorithm];
  if (keys !== undefined) exactKeys(testCase.service, keys);
  if (algorithm !== 'socket-lb') exactKeys(testCase.flow, ['client', 'client_port', 'vip', 'svc_port', 'proto']);
  if (lut !== undefined && lut !== null) exactKeys(lut, LUT_KEYS[lut.kind]);
  const optional = ['slot_present', 'slot_backend_id', 'slot_backend_ids', 'lut'];
  for (const key of INPUTS[algorithm]) {
    if (!(key in testCase) && !optional.includes(key)) throw new Error(`${key} is missing`);
  }
}

const MODES: Record<SelectCase['algorithm'], string | undefined> = {
  maglev: 'global',
  random: 'global',
  first: 'global',
  'per-service': 'per-service',
  'socket-lb': undefined,
};

conformance<{ meta: { count: number }; cases: SelectCase[] }, SelectCase>(
  'select',
  (doc) => {
    if (doc.meta.count !== doc.cases.length) throw new Error('meta.count does not match');
    return doc.cases;
  },
  (testCase) => {
    checkShape(testCase);
    const result = answer(testCase);
    if (testCase.mode !== MODES[testCase.algorithm]) throw new Error(`unknown mode ${String(testCase.mode)}`);
    const inputs = Object.fromEntries(
      Object.entries(testCase).filter(([key]) => INPUTS[testCase.algorithm].includes(key)),
    );
    const flow = testCase.flow === undefined ? {} : { flow: flowOf(testCase) };
    const service = testCase.algorithm === 'maglev' ? { service: testCase.service } : {};
    return { ...inputs, ...flow, ...service, ...result };
  },
);
