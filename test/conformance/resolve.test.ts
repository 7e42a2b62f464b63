import { formatCidr } from '../../src/net/index.ts';
import { buildCluster, type ClusterMeta, entryRows, onlyKeys, parseYaml, redirectRows } from './policy-cluster.ts';
import { conformance } from './harness.ts';

interface Case {
  name: string;
  policies: string[];
  cidrIdentities: unknown;
  ingressEnforced: boolean;
  egressEnforced: boolean;
  redirects: unknown;
  entries: unknown;
}

conformance<{ meta: { cluster: ClusterMeta }; cases: Case[] }, Case>(
  'resolve',
  (doc) => doc.cases,
  (testCase, { meta }) => {
    onlyKeys('cluster', meta.cluster, ['namespaces', 'pods', 'namedPorts']);
    const { engine, pods } = buildCluster(meta.cluster, {});
    engine.setPolicies(testCase.policies.map(parseYaml));
    const policy = engine.policyOf(pods.get('x/a')!);
    return {
      name: testCase.name,
      policies: testCase.policies,
      cidrIdentities: Object.fromEntries(engine.local.all().map(({ cidr, identity }) => [formatCidr(cidr), identity])),
      ingressEnforced: policy.ingressEnforced,
      egressEnforced: policy.egressEnforced,
      redirects: redirectRows(policy),
      entries: entryRows(policy),
    };
  },
);
