import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterOptions, serviceMatrix } from '../../src/cluster/index.ts';
import { ControlPlane } from '../../src/k8s/control-plane.ts';
import type { RawObject } from '../../src/k8s/raw.ts';
import { formatAddress } from '../../src/net/address.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import { shop, values } from './objects.ts';

/** node-2 has an ExternalIP and a second InternalIP beside those of the others. */
const objects = (spec: Record<string, unknown> = {}): RawObject[] =>
  shop(spec).map((object) =>
    object.kind !== 'Node' || object.metadata.name !== 'node-2'
      ? object
      : {
          ...object,
          status: {
            addresses: [
              { type: 'ExternalIP', address: '203.0.113.99' },
              { type: 'InternalIP', address: '192.168.0.2' },
              { type: 'InternalIP', address: '172.16.5.2' },
              { type: 'InternalIP', address: 'fd00:192::2' },
            ],
          },
        },
  );
const options = (addresses?: readonly string[]): ClusterOptions => ({
  config: { values: values(addresses === undefined ? {} : { nodePort: { addresses } }) },
});
const served = (config: ClusterOptions): string[] =>
  Cluster.fromKubernetes(objects(), config).node('node-2').plane.nodePortAddresses.map(formatAddress).sort();
const outside = (to: string, config: ClusterOptions = options()): ReturnType<Cluster['send']>['outcome'] =>
  Cluster.fromKubernetes(objects(), config).send({ from: 'external:198.51.100.7:40000', to }).outcome;

describe('NodePort addresses', () => {
  it('are one of each family, internal ones first; with nodePort.addresses those in its ranges', () => {
    expect(served(options())).toEqual(['192.168.0.2', 'fd00:192::2']);
    expect(served(options(['172.16.0.0/12', '203.0.113.0/24']))).toEqual(['172.16.5.2', '203.0.113.99']);
    expect(served(options(['10.0.0.0/8']))).toEqual([]);
  });

  it('are the same in a control plane that reads the Node object', () => {
    const addresses = (ranges: readonly string[]): string[] => {
      const plane = new ControlPlane({ nodeName: 'node-2', nodePortAddresses: ranges.map(parseCidr) });
      plane.apply(objects().filter(({ kind }) => kind === 'Node'));
      return plane.nodePortAddresses.map(formatAddress).sort();
    };
    expect(addresses([])).toEqual(['192.168.0.2', 'fd00:192::2']);
    expect(addresses(['172.16.0.0/12', '203.0.113.0/24'])).toEqual(['172.16.5.2', '203.0.113.99']);
  });

  it('are where clients outside are answered, and another address of the node is told apart', () => {
    expect(outside('192.168.0.2:30010/TCP')).toMatchObject({ kind: 'replied' });
    expect(outside('203.0.113.99:30010/TCP')).toMatchObject({
      kind: 'passedToHost',
      reason: '203.0.113.99 is an address of node-2, which serves NodePorts at 192.168.0.2 only (nodePort.addresses)',
    });
    expect(outside('203.0.113.99:30010/TCP', options(['203.0.113.0/24']))).toMatchObject({ kind: 'replied' });
    expect(outside('192.168.0.2:30010/TCP', options(['10.0.0.0/8'])).reason).toContain('at none of its addresses');
  });

  it('do not matter to sockets: any address of a node will do', () => {
    const cluster = Cluster.fromKubernetes(objects(), options(['10.0.0.0/8']));
    const send = { from: 'pod:shop/client', to: '203.0.113.99:30010/TCP', random: [0] };
    expect(cluster.send(send).outcome).toMatchObject({ kind: 'replied', translatedAt: 'socket' });
  });

  it('are what the matrix asks at', () => {
    const { rows } = serviceMatrix(objects(), {
      service: 'shop/web',
      node: 'node-2',
      ...options(['172.16.0.0/12']),
    });
    const own = rows.filter(({ target, frontend }) => target === 'own node' && frontend.includes('.'));
    expect(new Set(own.map(({ frontend }) => frontend))).toEqual(new Set(['172.16.5.2:30010/TCP']));
    expect(own.map(({ result }) => result)).not.toContain('not translated (passedToHost)');
  });
});

describe('health check node ports', () => {
  const local = { externalTrafficPolicy: 'Local', healthCheckNodePort: 32100 };
  const cluster = (): Cluster =>
    Cluster.fromKubernetes(
      objects(local).filter(({ metadata }) => metadata.name !== 'web-2'),
      options(),
    );

  it('are told of a packet that goes there', () => {
    const { outcome } = cluster().send({ from: 'external:198.51.100.7:40000', to: '192.168.0.1:32100/TCP' });
    expect(outcome).toMatchObject({
      kind: 'passedToHost',
      reason: '32100 is the health check node port of shop/web: the agent of node-1 answers 200, 2 local endpoints',
    });
  });

  it('are told of a load balancer address that leads there', () => {
    const { outcome } = cluster().send({
      // The last of several addresses has the health check's frontend.
      from: 'external:[2001:db8::7]:40000',
      to: '[2001:db8:ff::10]:32100/TCP',
      via: 'node-3',
    });
    expect(outcome.reason).toContain('the agent of node-3 answers 200');
  });

  it('are in the matrix, node by node', () => {
    const gone = objects(local).map((object) => {
      if (object.kind !== 'EndpointSlice') return object;
      const endpoints = (object['endpoints'] as { nodeName: string }[]).filter(({ nodeName }) => nodeName !== 'node-2');
      return { ...object, endpoints };
    });
    const { healthChecks } = serviceMatrix(gone, { service: 'shop/web', ...options() });
    const said = healthChecks.map(({ service, port, node, status }) => `${service} ${port} ${node} ${status}`);
    expect(said).toEqual(['shop/web 32100 node-1 200', 'shop/web 32100 node-2 503', 'shop/web 32100 node-3 200']);
  });
});
