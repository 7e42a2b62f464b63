import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/net/index.ts';
import {
  diffReach,
  partyName,
  PolicyCluster,
  policyMatrix,
  type PolicyParty,
  Reach,
  reachOfCheck,
  trafficOfRules,
} from '../../src/policy/index.ts';
import { PODS, policies } from './random-policies.ts';
import type { Policy } from './naive.ts';

const pods = PODS.map(({ namespace, name, labels }, index) => ({
  kind: 'Pod',
  metadata: { name, namespace, labels },
  spec: { nodeName: `n${index % 2}` },
  status: { podIP: `10.0.0.${index + 1}` },
}));

const clusterOf = (rules: readonly Policy[]): PolicyCluster => new PolicyCluster([...pods, ...rules]);

const partiesOf = (cluster: PolicyCluster): PolicyParty[] => [
  ...[...cluster.pods.keys()].map((name) => cluster.pod(name)),
  cluster.node('n0'),
  { kind: 'address', address: parseAddress('203.0.113.10') },
  { kind: 'entity', name: 'world' },
];

describe('policyMatrix', () => {
  it('says in every cell what a check of the pair says', () => {
    fc.assert(
      fc.property(policies, (rules) => {
        const cluster = clusterOf(rules);
        const parties = partiesOf(cluster);
        const traffic = trafficOfRules(cluster.engineOf('').rules, cluster).slice(0, 4);
        const { cells } = policyMatrix(cluster, parties, traffic);
        traffic.forEach((one, t) => {
          parties.forEach((from, row) => {
            parties.forEach((to, column) => {
              const expected = row === column ? Reach.NONE : reachOfCheck(cluster.check(from, to, one));
              expect(cells[t]![row * parties.length + column]).toBe(expected);
            });
          });
        });
      }),
      { numRuns: 25 },
    );
  });

  it('differs from itself in nothing, and from another in what cells differ', () => {
    fc.assert(
      fc.property(policies, policies, (first, second) => {
        const [before, after] = [clusterOf(first), clusterOf(second)];
        const traffic = trafficOfRules([...before.engineOf('').rules, ...after.engineOf('').rules], after).slice(0, 3);
        const [was, is] = [before, after].map((cluster) => policyMatrix(cluster, partiesOf(cluster), traffic));
        expect(diffReach(was!, was!, partyName)).toEqual([]);
        const different = was!.cells.map((square, t) => square.filter((cell, i) => cell !== is!.cells[t]![i]).length);
        expect(diffReach(was!, is!, partyName)).toHaveLength(different.reduce((sum, count) => sum + count, 0));
      }),
      { numRuns: 25 },
    );
  });
});
