import { describe, expect, it } from 'vitest';
import { type MatrixRow, serviceMatrix } from '../../src/cluster/matrix.ts';
import { node, pod, service, slice, values } from './objects.ts';

/**
 * Who may be chosen, for every kind of client, frontend and pair of policies, as it was worked out beside the recordings of the real
 * programs: `cell` of an answer is what the twin's packets came to.
 */

type Policy = 'Cluster' | 'Local';
const POLICIES: readonly (readonly [external: Policy, internal: Policy])[] = [
  ['Cluster', 'Cluster'],
  ['Local', 'Cluster'],
  ['Cluster', 'Local'],
  ['Local', 'Local'],
];
const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];

const HOSTS = [1, 2, 3];
const UP = { ready: true, serving: true, terminating: false };
const TERMINATING = { ready: false, serving: true, terminating: true };
type Endpoints = Parameters<typeof slice>[2];

/** Two backends on node-1, one on node-2, none on node-3. */
const backends = (conditions: Record<string, boolean>): Endpoints => [
  ['web-1', 1, 11, conditions],
  ['web-2', 1, 12, conditions],
  ['web-3', 2, 13, conditions],
];

/** A pod of node-1 with a hostPort for any address and one for loopback alone. */
const hostPortPod = (): ReturnType<typeof pod> => {
  const made = pod('hp', 1, 60);
  const ports = [
    { containerPort: 80, hostPort: 8080 },
    { containerPort: 80, hostPort: 8081, hostIP: '127.0.0.1' },
    { containerPort: 80, hostPort: 8081, hostIP: '::1' },
  ];
  return { ...made, spec: { ...(made['spec'] as object), containers: [{ name: 'main', ports }] } };
};

const FOREIGN = ['198.51.100.50', '2001:db8:ee::50'];
const OWN = ['192.168.0.1', 'fd00:192::1'];

function rowsOf(
  [externalTrafficPolicy, internalTrafficPolicy]: readonly [Policy, Policy],
  endpoints: Endpoints = backends(UP),
  more: Record<string, unknown> = {},
): readonly MatrixRow[] {
  const spec = { externalTrafficPolicy, internalTrafficPolicy, externalIPs: [...FOREIGN, ...OWN] };
  const objects = [
    ...HOSTS.map((host) => node(`node-${host}`, host)),
    ...HOSTS.map((host) => pod(`client-${host}`, host, 90)),
    hostPortPod(),
    pod('web-1', 1, 11),
    pod('web-2', 1, 12),
    pod('web-3', 2, 13),
    service('web', 10, spec),
    ...FAMILIES.map((family) => slice('web', family, endpoints)),
  ];
  return serviceMatrix(objects, { config: { values: values(more) } }).rows;
}

interface Question {
  readonly family: Family;
  readonly type: string;
  readonly client: string;
  readonly target?: MatrixRow['target'];
  /** Port, or part of the frontend's text. */
  readonly at?: string;
}

/** `all socket`, `local packet on node-1`; without a backend what came instead. */
const cell = ({ candidates, translatedAt, translatedOn, result, node: at }: MatrixRow): string =>
  candidates === 'none' ? result : `${candidates} ${translatedAt}${translatedOn === at ? '' : ` on ${translatedOn}`}`;

/** An answer for each of the three nodes, in order. */
const told = (rows: readonly MatrixRow[], { family, type, client, target = 'service', at = '' }: Question): string[] =>
  rows
    .filter((row) => row.frontend.startsWith('[') === (family === 6) && row.frontend.includes(at))
    .filter((row) => row.type === type && row.client === client && row.target === target)
    .map(cell);

const INSIDE = ['pod', 'host'] as const;
const EVERYWHERE = (answer: string): string[] => [answer, answer, answer];
/** Where only the node's own backends may be picked: node-3 has none. */
const LOCALLY = (at: string, fail: string): string[] => [`local ${at}`, `local ${at}`, fail];
const FAIL = 'EHOSTUNREACH';
const UNREACHABLE = expect.stringMatching(/^rejected: .*port unreachable$/) as string;
const isTwoScope = ([external, internal]: readonly [Policy, Policy]): boolean => external !== internal;

for (const family of FAMILIES) {
  const own = OWN[family === 4 ? 0 : 1]!;
  const foreign = FOREIGN[family === 4 ? 0 : 1]!;

  for (const policies of POLICIES) {
    const [external, internal] = policies;

    describe(`IPv${family}, externalTrafficPolicy ${external}, internalTrafficPolicy ${internal}`, () => {
      const rows = rowsOf(policies);
      const none = rowsOf(policies, []);
      const inside = internal === 'Local' ? LOCALLY('socket', FAIL) : EVERYWHERE('all socket');
      /** The external scope, which counts for clients inside as well, has no backend there: sockets fail before they ask whose address it is. */
      const noneOnNode3 = external === 'Local' && internal === 'Local';
      const outside = external === 'Local' ? LOCALLY('packet', UNREACHABLE) : EVERYWHERE('all packet');

      it.each(INSIDE)('%s: ClusterIP and load balancer address by the internal policy, at the socket', (client) => {
        for (const type of ['ClusterIP', 'LoadBalancer']) {
          expect(told(rows, { family, type, client })).toEqual(inside);
          expect(told(none, { family, type, client })).toEqual(EVERYWHERE(FAIL));
        }
      });

      it.each(INSIDE)("%s: NodePort on any node's address, by the maps of the client's own node", (client) => {
        for (const target of ['own node', 'other node'] as const) {
          expect(told(rows, { family, type: 'NodePort', client, target })).toEqual(inside);
          expect(told(none, { family, type: 'NodePort', client, target })).toEqual(EVERYWHERE(FAIL));
        }
      });

      it('NodePort on loopback: for the host as on its own address, for pods not at all', () => {
        const question = { family, type: 'NodePort', target: 'loopback' } as const;
        expect(told(rows, { ...question, client: 'host' })).toEqual(inside);
        expect(told(none, { ...question, client: 'host' })).toEqual(EVERYWHERE(FAIL));
        expect(told(rows, { ...question, client: 'pod' })).toEqual(EVERYWHERE('not translated (passedToHost)'));
        expect(told(none, { ...question, client: 'pod' })).toEqual(EVERYWHERE('not translated (passedToHost)'));
      });

      it.each(INSIDE)("%s: an external IP that is the node's own address, by the external scope", (client) => {
        const question = { family, type: 'ExternalIPs', client, at: own };
        const [here] = told(rows, question);
        const [empty] = told(none, question);
        if (isTwoScope(policies)) {
          // The entry says that there are two scopes, and external IPs have no internal one.
          expect(here).toBe('not translated (passedToHost)');
          expect(empty).toBe('not translated (passedToHost)');
        } else {
          expect(here).toBe(external === 'Local' ? 'local socket' : 'all socket');
          expect(empty).toBe(FAIL);
        }
      });

      it.each(INSIDE)(
        '%s: a foreign external IP is left alone at the socket, and fails there without backends',
        (client) => {
          const question = { family, type: 'ExternalIPs', client, at: foreign };
          for (const { translatedAt } of rows.filter(
            (row) => row.client === client && row.frontend.includes(foreign),
          )) {
            expect(translatedAt).not.toBe('socket');
          }
          if (noneOnNode3) expect(told(rows, question)[2]).toBe(FAIL);
          const empty = told(none, question);
          if (isTwoScope(policies)) for (const answer of empty) expect(answer).not.toBe(FAIL);
          else expect(empty).toEqual(EVERYWHERE(FAIL));
        },
      );

      it("the address of another node as external IP is foreign, too: that node's maps answer", () => {
        for (const client of INSIDE) {
          const answers = told(rows, { family, type: 'ExternalIPs', client, at: own }).slice(1);
          // To node-2 the two of node-1 are not the local ones.
          const there = external === 'Local' ? 'some packet on node-1' : 'all packet on node-1';
          expect(answers).toEqual([there, noneOnNode3 ? FAIL : there]);
        }
      });

      it('from outside: ClusterIP dropped, everything else by the external policy', () => {
        expect(told(rows, { family, type: 'ClusterIP', client: 'external' })).toEqual(
          EVERYWHERE('dropped: IS_CLUSTER_IP'),
        );
        const asked: Omit<Question, 'family' | 'client'>[] = [
          { type: 'NodePort', target: 'own node' },
          { type: 'LoadBalancer' },
          { type: 'ExternalIPs', at: foreign },
        ];
        for (const question of asked) {
          expect(told(rows, { ...question, family, client: 'external' })).toEqual(outside);
          expect(told(none, { ...question, family, client: 'external' })).toEqual(EVERYWHERE(UNREACHABLE));
        }
        expect(told(rows, { family, type: 'ExternalIPs', at: own, client: 'external' })).toEqual([outside[0]]);
      });
    });

    describe(`IPv${family}, ${external}, ${internal}, sockets of pods not translated`, () => {
      const packets = { socketLB: { hostNamespaceOnly: true } };
      const rows = rowsOf(policies, backends(UP), packets);
      const none = rowsOf(policies, [], packets);
      const inside = internal === 'Local' ? LOCALLY('packet', UNREACHABLE) : EVERYWHERE('all packet');

      it("a pod's packets: the same sets as at the socket, from the pod's node", () => {
        const asked: Omit<Question, 'family' | 'client'>[] = [
          { type: 'ClusterIP' },
          { type: 'LoadBalancer' },
          { type: 'NodePort', target: 'own node' },
        ];
        for (const question of asked) {
          expect(told(rows, { ...question, family, client: 'pod' })).toEqual(inside);
          expect(told(none, { ...question, family, client: 'pod' })).toEqual(EVERYWHERE(UNREACHABLE));
        }
      });

      it("a NodePort on another node's address is that node's, which takes the pod for a client outside", () => {
        // node-2 and node-3 call node-1, which calls node-2.
        const of = (candidates: string, host: number): string => `${candidates} packet on node-${host}`;
        const there =
          external === 'Cluster'
            ? [of('all', 2), of('all', 1), of('all', 1)]
            : [of('some', 2), of('some', 1), of('some', 1)];
        expect(told(rows, { family, type: 'NodePort', client: 'pod', target: 'other node' })).toEqual(there);
      });

      it('external IPs are translated whoever has them, unless there are two scopes', () => {
        const question = { family, type: 'ExternalIPs', client: 'pod', at: foreign };
        const here = rows.filter((row) => row.client === 'pod' && row.frontend.includes(foreign));
        if (isTwoScope(policies)) {
          for (const one of here) expect(one.translatedOn === one.node && one.candidates === 'none').toBe(false);
        } else {
          expect(told(rows, question)).toEqual(
            external === 'Local' ? LOCALLY('packet', UNREACHABLE) : EVERYWHERE('all packet'),
          );
        }
      });
    });
  }

  describe(`IPv${family}, hostPort`, () => {
    const rows = rowsOf(['Cluster', 'Cluster']);
    const ask = (client: string, target: MatrixRow['target'], at: string): string[] =>
      told(rows, { family, type: 'HostPort', client, target, at });

    it("on the node's own address: its pod, for pods and for the host", () => {
      for (const client of INSIDE) expect(ask(client, 'own node', ':8080')).toEqual(['all socket']);
      expect(ask('external', 'own node', ':8080')).toEqual(['all packet']);
    });

    it('on loopback: its pod for the host, nothing for pods; the same with a loopback hostIP', () => {
      for (const port of [':8080', ':8081']) {
        expect(ask('host', 'loopback', port)).toEqual(['all socket']);
        expect(ask('pod', 'loopback', port)).toEqual(['not translated (passedToHost)']);
      }
    });

    it("with a loopback hostIP the agent writes the node's own addresses all the same, and they answer", () => {
      for (const client of INSIDE) expect(ask(client, 'own node', ':8081')).toEqual(['all socket']);
      expect(ask('external', 'own node', ':8081')).toEqual(['all packet']);
    });

    it("on another node's address: left alone at the socket, the pod's node translates", () => {
      for (const client of INSIDE) expect(ask(client, 'other node', ':8080')).toEqual(['all packet on node-1']);
    });
  });

  it(`IPv${family}: without active backends the terminating ones count`, () => {
    const rows = rowsOf(['Cluster', 'Local'], backends(TERMINATING));
    for (const client of INSIDE) {
      expect(told(rows, { family, type: 'ClusterIP', client })).toEqual(LOCALLY('socket', FAIL));
    }
    expect(told(rows, { family, type: 'LoadBalancer', client: 'external' })).toEqual(EVERYWHERE('all packet'));
    const [first, ...rest] = backends(TERMINATING);
    const mixed = rowsOf(['Cluster', 'Cluster'], [[first![0], first![1], first![2], UP], ...rest]);
    for (const client of INSIDE) {
      expect(told(mixed, { family, type: 'ClusterIP', client })).toEqual(EVERYWHERE('all socket'));
    }
    const counts = mixed
      .filter(({ type, client }) => type === 'ClusterIP' && client === 'pod')
      .map(({ count }) => count);
    expect(new Set(counts)).toEqual(new Set([1]));
  });

  it(`IPv${family}: a ClusterIP answers clients outside if the configuration says so`, () => {
    const rows = rowsOf(['Cluster', 'Cluster'], backends(UP), { bpf: { lbExternalClusterIP: true } });
    expect(told(rows, { family, type: 'ClusterIP', client: 'external' })).toEqual(EVERYWHERE('all packet'));
  });
}
