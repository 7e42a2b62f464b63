import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterOptions, type SendSpec } from '../../src/cluster/index.ts';
import { ServiceAddresses } from '../../src/cluster/service-addresses.ts';
import { LbtwinError } from '../../src/errors.ts';
import type { RawObject } from '../../src/k8s/raw.ts';
import { parseAddress } from '../../src/net/address.ts';
import { buildFrame } from '../../src/net/frame.ts';
import { journeyJson } from '../../src/report/journey.ts';
import { pod, service, shop, slice, values } from './objects.ts';

const TUNNEL = { routingMode: 'tunnel', tunnelProtocol: 'geneve', autoDirectNodeRoutes: false };
const CONFIGS: readonly Record<string, unknown>[] = [
  {},
  { routingMode: 'tunnel', tunnelProtocol: 'vxlan', autoDirectNodeRoutes: false },
  { loadBalancer: { algorithm: 'maglev', mode: 'dsr' } },
  { loadBalancer: { algorithm: 'maglev', mode: 'dsr', dsrDispatch: 'geneve' }, ...TUNNEL },
  { loadBalancer: { algorithm: 'maglev', mode: 'hybrid', acceleration: 'native' } },
  { socketLB: { enabled: true, hostNamespaceOnly: true } },
  { endpointRoutes: { enabled: true }, bpf: { masquerade: true } },
];

/** A pod with a hostPort, which only its own node has; and a service whose external address is a pod's. */
const hostPort: RawObject = {
  ...pod('edge', 2, 60),
  spec: {
    nodeName: 'node-2',
    containers: [{ name: 'main', ports: [{ containerPort: 8080, hostPort: 8080, protocol: 'TCP' }] }],
  },
};
const OBJECTS: readonly (readonly RawObject[])[] = [
  [...shop(), hostPort],
  shop({ externalTrafficPolicy: 'Local' }),
  [...shop(), service('odd', 20, { externalIPs: ['10.0.3.13', '192.168.0.2'] }), slice('odd', 4, [['web-1', 1, 11]])],
];

const FROM = [
  'external:198.51.100.7:40000',
  'external:198.51.100.8:40001',
  'external:[2001:db8::7]:40000',
  'pod:shop/client',
  'pod:shop/web-1',
  'node:node-3',
];
const TO = [
  '203.0.113.10:80/TCP',
  '203.0.113.10:81/TCP',
  '203.0.113.10/ICMP',
  '[2001:db8:ff::10]:80/TCP',
  '10.96.0.10:80/TCP',
  '192.168.0.2:30010/TCP',
  '192.168.0.2:8080/TCP',
  '192.168.0.2:80/TCP',
  '192.168.0.3:9999/UDP',
  '10.0.3.13:8080/TCP',
  '10.0.3.13:80/TCP',
  '10.0.2.12/ICMP',
  '[fd00:10:0:3::13]:8080/TCP',
];

const spec: fc.Arbitrary<SendSpec> = fc
  .record({
    from: fc.constantFrom(...FROM),
    to: fc.constantFrom(...TO),
    via: fc.constantFrom('node-1', 'node-2', 'node-3'),
    size: fc.constantFrom(undefined, 1500),
    random: fc.array(fc.nat({ max: 0xffffffff }), { minLength: 4, maxLength: 4 }),
  })
  .filter(({ from, to }) => !from.startsWith('external:') || from.includes('[') === to.includes('['))
  .map(({ from, via, size, ...rest }) => ({
    from,
    ...rest,
    ...(from.startsWith('external:') ? { via } : {}),
    ...(size === undefined ? {} : { size }),
  }));

function tell(cluster: Cluster, step: SendSpec): unknown {
  try {
    return journeyJson(cluster.send(step));
  } catch (error) {
    if (error instanceof LbtwinError) return error.message;
    throw error;
  }
}

describe('a control plane that runs only where a packet may meet a service', () => {
  it('leaves every journey as it is with control planes on all nodes from the beginning', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...CONFIGS),
        fc.constantFrom(...OBJECTS),
        fc.array(fc.oneof({ weight: 4, arbitrary: spec }, fc.constant('change' as const)), { maxLength: 6 }),
        (config, objects, steps) => {
          const options: ClusterOptions = { config: { values: values(config) } };
          const lazy = Cluster.fromKubernetes(objects, options);
          const eager = Cluster.fromKubernetes(objects, options);
          for (const name of eager.topology.nodes.keys()) {
            lazy.node(name);
            void eager.node(name).plane;
          }
          for (const step of steps) {
            if (step === 'change') {
              for (const cluster of [lazy, eager])
                cluster.apply([service('late', 5), slice('late', 4, [['web-2', 2, 12]])]);
            } else {
              expect(tell(lazy, step)).toEqual(tell(eager, step));
            }
          }
        },
      ),
    );
  });
});

describe('ServiceAddresses', () => {
  const addresses = new ServiceAddresses([...shop(), hostPort]);
  const mayConcern = (destination: string, dport: number, own: boolean, protocol = 6): boolean => {
    const frame = buildFrame({
      protocol,
      source: parseAddress('198.51.100.7'),
      destination: parseAddress(destination),
      sport: 40000,
      dport,
    });
    return addresses.mayConcern(frame, () => own);
  };

  it.each([
    ['203.0.113.10', 80, false, true],
    // Whatever the port: an ICMP error may be the answer.
    ['203.0.113.10', 81, false, true],
    ['10.96.0.10', 80, false, true],
    ['192.168.0.1', 30010, true, true],
    ['192.168.0.1', 8080, true, true],
    ['192.168.0.1', 30010, false, false],
    ['192.168.0.1', 22, true, false],
    ['10.0.1.11', 8080, false, false],
  ])('%s:%d, own: %s', (address, port, own, expected) => {
    expect(mayConcern(address, port, own)).toBe(expected);
  });

  it('says nothing of what has no ports', () => {
    expect(mayConcern('10.0.1.11', 0, false, 1)).toBe(true);
  });
});
