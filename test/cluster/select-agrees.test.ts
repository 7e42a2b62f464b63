import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster, connectSocket } from '../../src/cluster/index.ts';
import { parseParty, parseTarget } from '../../src/cluster/party.ts';
import { podAddress } from '../../src/cluster/topology.ts';
import { controlPlaneInit } from '../../src/k8s/from-config.ts';
import { readObjects } from '../../src/k8s/read.ts';
import { selectFlow } from '../../src/k8s/select-flow.ts';
import { formatEndpoint, parseL4Address } from '../../src/net/endpoint.ts';
import { parseAddress } from '../../src/net/address.ts';

const { objects } = readObjects('shop', readFileSync('examples/shop.yaml', 'utf8'));
const cluster = Cluster.fromKubernetes(objects, {});
const init = controlPlaneInit(cluster.resolved.config);
const NODES = ['control-1', 'worker-a1', 'worker-a2', 'worker-b1', 'worker-b2'];
const FRONTENDS = [
  '203.0.113.10:80/TCP',
  '203.0.113.10:443/TCP',
  '203.0.113.20:443/TCP',
  '203.0.113.30:5004/UDP',
  '198.51.100.20:8088/TCP',
  '[2001:db8:ff::10]:443/TCP',
];

describe('select and the sockets', () => {
  const insiders = ['pod:shop/debug', ...NODES.map((name) => `node:${name}`)];
  const nodePorts = ['192.168.10.11:30080/TCP', '192.168.10.22:31080/TCP', '192.168.10.11:8125/UDP'];
  const clusterIps = ['10.96.20.10:80/TCP', '10.96.20.50:80/TCP', '10.96.20.70:25/TCP', '10.96.0.10:53/UDP'];
  const targets = [...FRONTENDS.filter((one) => !one.startsWith('[')), ...nodePorts, ...clusterIps];

  it.each(insiders)('have the same candidates for %s', (from) => {
    for (const to of targets) {
      const { address, port, protocol } = parseL4Address(to);
      const [kind, name] = from.split(/:(.*)/) as [string, string];
      const party = parseParty(from, cluster.topology);
      const own =
        party.kind === 'pod' ? podAddress(party.pod, 4) : party.kind === 'node' ? party.node.addresses[0] : undefined;
      const [view] = selectFlow(objects, init, { client: own!, to: { address, port }, protocol }).views;
      const socket = connectSocket(cluster, { to: parseTarget(to), [kind]: name });
      const candidates = view?.outcome === 'candidates' ? view.explanation!.candidates : [];
      const theirs = socket.result.hook?.outcome === 'translated' ? socket.candidates : [];
      expect([to, theirs.map((one) => formatEndpoint(one)).sort()]).toEqual([
        to,
        candidates.map((one) => formatEndpoint({ address: parseAddress(one.address), port: one.port })).sort(),
      ]);
    }
  });
});

describe('select and the whole journey', () => {
  it('name the same backend for a client outside, on every node', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...FRONTENDS),
        fc.constantFrom(...NODES),
        fc.integer({ min: 1, max: 254 }),
        fc.integer({ min: 1024, max: 65535 }),
        (to, node, host, port) => {
          const { address, port: toPort, protocol } = parseL4Address(to);
          const client = parseAddress(address.family === 4 ? `198.51.100.${host}` : `2001:db8::${host}`);
          const answer = selectFlow(objects, init, {
            client,
            clientPort: port,
            to: { address, port: toPort },
            protocol,
            node,
          });
          const [view] = answer.views;
          cluster.forget();
          const from = `external:${formatEndpoint({ address: client, port })}`;
          const { outcome } = cluster.send({ from, to, via: node });
          if (view!.outcome === 'backend') {
            const backend = view!.explanation!.backend!;
            expect(outcome.backend).toBe(
              formatEndpoint({ address: parseAddress(backend.address), port: backend.port }),
            );
          } else {
            expect([view!.outcome, outcome.kind, outcome.backend]).toEqual(['no-backend', 'rejected', undefined]);
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
