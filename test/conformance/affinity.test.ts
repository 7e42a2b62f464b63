import {
  affinityOfAddress,
  affinityOfCookie,
  formatAddress,
  formatU64,
  LbMaps,
  parseAddress,
  u64,
} from '../../src/index.ts';
import { affinityTimeout, affinityUnion, serviceAlgorithm } from '../../src/lb/layout.ts';
import { affinityEntries, inAffinityOrder } from './affinity-records.ts';
import { conformance, exactKeys } from './harness.ts';

interface Step {
  t_ns: string;
  op: string;
  rev_nat_index: number;
  netns_cookie: boolean;
  client: string;
  backend_id: number;
}
interface Case {
  family: 4 | 6;
  services: { rev_nat_index: number; timeout: number; algorithm_byte: number }[];
  initial_match: { rev_nat_id: number; backend_id: number }[];
  steps: Step[];
}

const NANOS = 1_000_000_000n;
const STEP_FIELDS: Record<string, string[]> = {
  get: ['op', 't_ns', 'now', 'rev_nat_index', 'netns_cookie', 'client', 'result', 'entries_after'],
  update: ['op', 't_ns', 'now', 'rev_nat_index', 'netns_cookie', 'client', 'backend_id', 'entries_after'],
  match_add: ['op', 't_ns', 'now', 'rev_nat_index', 'backend_id', 'entries_after'],
  match_delete: ['op', 't_ns', 'now', 'rev_nat_index', 'backend_id', 'entries_after'],
};

function run(testCase: Case): unknown {
  exactKeys(testCase, ['family', 'services', 'initial_match', 'steps']);
  const { family } = testCase;
  if (family !== 4 && family !== 6) throw new Error(`unknown family ${String(family)}`);
  const maps = new LbMaps();
  const map = maps.of(family);
  const unions = new Map<number, number>();
  for (const service of testCase.services) {
    exactKeys(service, ['rev_nat_index', 'timeout', 'algorithm_byte']);
    unions.set(service.rev_nat_index, affinityUnion(service.timeout, service.algorithm_byte));
  }
  for (const match of testCase.initial_match) maps.affinityMatch.add(match.rev_nat_id, match.backend_id);
  const initial_match = [...maps.affinityMatch.entries()].map(([key]) => ({
    rev_nat_id: key.revNatIndex,
    backend_id: key.backendId,
  }));
  const steps = testCase.steps.map((step) => {
    const fields = STEP_FIELDS[step.op];
    if (fields === undefined) throw new Error(`unknown op ${step.op}`);
    exactKeys(step, fields);
    const now = Number((BigInt(step.t_ns) / NANOS) & 0xffffffffn);
    const echo: Record<string, unknown> = { t_ns: step.t_ns, now, rev_nat_index: step.rev_nat_index, op: step.op };
    const timeout = affinityTimeout(unions.get(step.rev_nat_index) ?? 0);
    if (step.op === 'match_add') maps.affinityMatch.add(step.rev_nat_index, step.backend_id);
    else if (step.op === 'match_delete') {
      maps.affinityMatch.delete({ revNatIndex: step.rev_nat_index, backendId: step.backend_id });
    } else if (step.netns_cookie) {
      const { low, high } = u64(step.client);
      echo['client'] = formatU64({ low, high });
      if (step.op === 'update') map.affinity.storeCookie(low, high, step.rev_nat_index, step.backend_id, now);
      else echo['result'] = affinityOfCookie(maps, map, step.rev_nat_index, timeout, low, high, now);
    } else {
      const { words } = parseAddress(step.client);
      echo['client'] = formatAddress({ family, words });
      if (step.op === 'update') map.affinity.storeAddress(words, 0, step.rev_nat_index, step.backend_id, now);
      else echo['result'] = affinityOfAddress(maps, map, step.rev_nat_index, timeout, words, 0, now);
    }
    if ('netns_cookie' in step) echo['netns_cookie'] = step.netns_cookie;
    if ('backend_id' in step) echo['backend_id'] = step.backend_id;
    const after = (step as unknown as { entries_after: unknown[] }).entries_after;
    echo['entries_after'] = inAffinityOrder(after, affinityEntries(maps, family));
    return echo;
  });
  const services = testCase.services.map(({ rev_nat_index }) => {
    const union = unions.get(rev_nat_index)!;
    return { rev_nat_index, timeout: affinityTimeout(union), algorithm_byte: serviceAlgorithm(union) };
  });
  return { family, services, initial_match, steps };
}

conformance<{ meta: { count: number }; cases: Case[] }, Case>(
  'affinity',
  (doc) => {
    if (doc.meta.count !== doc.cases.length) throw new Error('meta.count does not match');
    return doc.cases;
  },
  run,
);
