import { describe, expect, it } from 'vitest';
import { validateObject } from '../../src/validate/index.ts';

type Spec = Record<string, unknown>;
const META = { name: 'web', namespace: 'shop' };
const PORT = { name: 'http', port: 80 };

const messages = (kind: string, rest: Spec, metadata: Spec = META): string[] =>
  validateObject({ apiVersion: 'v1', kind, metadata, ...rest }).schema.map(({ message }) => message);
const service = (spec: Spec): string[] => messages('Service', { spec });

describe('Service', () => {
  it('a good one', () => {
    const verdict = validateObject({ kind: 'Service', metadata: META, spec: { type: 'NodePort', ports: [PORT] } });
    expect(verdict).toMatchObject({
      schema: [],
      schemaSource: 'published API rules',
      agent: undefined,
      effective: true,
    });
  });

  it.each<[string, Spec, string[]]>([
    ['no ports', {}, ['spec.ports: Required value']],
    ['headless without ports', { clusterIP: 'None' }, []],
    [
      'port 0',
      { ports: [{ port: 0 }] },
      ['spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive'],
    ],
    [
      'port 65536',
      { ports: [{ port: 65536 }] },
      ['spec.ports[0].port: Invalid value: 65536: must be between 1 and 65535, inclusive'],
    ],
    [
      'a port as text',
      { ports: [{ port: '80' }] },
      ['spec.ports[0].port: Invalid value: "string": spec.ports[0].port in body must be of type integer: "string"'],
    ],
    [
      'two ports without names',
      { ports: [{ port: 80 }, { port: 81, name: 'x' }] },
      ['spec.ports[0].name: Required value'],
    ],
    ['one name twice', { ports: [PORT, { name: 'http', port: 81 }] }, ['spec.ports[1].name: Duplicate value: "http"']],
    [
      'wrong type',
      { type: 'Loadbalancer', ports: [PORT] },
      [
        'spec.type: Unsupported value: "Loadbalancer": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
      ],
    ],
    [
      'lower-case protocol',
      { ports: [{ ...PORT, protocol: 'tcp' }] },
      ['spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
    ],
    [
      'target port name too long',
      { ports: [{ ...PORT, targetPort: 'a-very-long-name' }] },
      ['spec.ports[0].targetPort: Invalid value: "a-very-long-name": must be no more than 15 characters'],
    ],
    [
      'nodePort on ClusterIP',
      { ports: [{ ...PORT, nodePort: 30000 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
    ],
    [
      'headless NodePort',
      { type: 'NodePort', clusterIP: 'None', ports: [PORT] },
      ['spec.clusterIP: Invalid value: "None": may not be set to \'None\' for NodePort services'],
    ],
    [
      'loopback external IP',
      { externalIPs: ['127.0.0.1'], ports: [PORT] },
      ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ],
    [
      'source range without prefix',
      { type: 'LoadBalancer', loadBalancerSourceRanges: ['10.0.0.1'], ports: [PORT] },
      [
        'spec.loadBalancerSourceRanges[0]: Invalid value: "10.0.0.1": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
    ],
    [
      'external policy on ClusterIP',
      { externalTrafficPolicy: 'Local', ports: [PORT] },
      ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
    ],
    [
      'affinity timeout',
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } }, ports: [PORT] },
      [
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400',
      ],
    ],
    ['families', { ipFamilies: ['IPv4', 'IPv4'], ports: [PORT] }, ['spec.ipFamilies[1]: Duplicate value: "IPv4"']],
    [
      'an IP with leading zeros',
      { clusterIP: '010.0.0.1', ports: [PORT] },
      ['spec.clusterIP: Invalid value: "010.0.0.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
    ],
    ['ExternalName without a name', { type: 'ExternalName' }, ['spec.externalName: Required value']],
    [
      'health port without Local',
      { type: 'LoadBalancer', healthCheckNodePort: 32000, ports: [PORT] },
      [
        "spec.healthCheckNodePort: Invalid value: 32000: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      ],
    ],
  ])('%s', (_, spec, expected) => expect(service(spec)).toEqual(expected));

  it('names start with a letter', () => {
    expect(messages('Service', { spec: { ports: [PORT] } }, { name: '1web' })[0]).toContain('a DNS-1035 label');
    expect(messages('Service', { spec: { ports: [PORT] } }, {})).toEqual([
      'metadata.name: Required value: name or generateName is required',
    ]);
  });
});

describe('the other kinds', () => {
  it.each<[string, string, Spec, string[]]>([
    ['no address type', 'EndpointSlice', { endpoints: [] }, ['addressType: Required value']],
    [
      'no address',
      'EndpointSlice',
      { addressType: 'IPv4', endpoints: [{ addresses: [] }] },
      ['endpoints[0].addresses: Required value: must contain at least 1 address'],
    ],
    [
      'other family',
      'EndpointSlice',
      { addressType: 'IPv4', endpoints: [{ addresses: ['fd00::1'] }] },
      ['endpoints[0].addresses[0]: Invalid value: "fd00::1": must be a valid IPv4 address'],
    ],
    [
      'two unnamed ports',
      'EndpointSlice',
      { addressType: 'IPv4', ports: [{ port: 1 }, { port: 2 }] },
      ['ports[1].name: Duplicate value: ""'],
    ],
    [
      'pod CIDR',
      'Node',
      { spec: { podCIDRs: ['10.0.0.0'] } },
      ['spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'],
    ],
    [
      'host port on the host network',
      'Pod',
      { spec: { hostNetwork: true, containers: [{ name: 'a', ports: [{ containerPort: 80, hostPort: 81 }] }] } },
      [
        'spec.containers[0].ports[0].containerPort: Invalid value: 80: must match `hostPort` when `hostNetwork` is true',
      ],
    ],
    [
      'host port twice',
      'Pod',
      {
        spec: {
          containers: [
            {
              name: 'a',
              ports: [
                { containerPort: 80, hostPort: 81 },
                { containerPort: 82, hostPort: 81 },
              ],
            },
          ],
        },
      },
      ['spec.containers[0].ports[1].hostPort: Duplicate value: 81'],
    ],
    [
      'no peer',
      'NetworkPolicy',
      { spec: { podSelector: {}, ingress: [{ from: [{}] }] } },
      ['spec.ingress[0].from[0]: Required value: must specify a peer'],
    ],
    [
      'except outside',
      'NetworkPolicy',
      {
        spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] },
      },
      ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`'],
    ],
    [
      'endPort below port',
      'NetworkPolicy',
      { spec: { podSelector: {}, ingress: [{ ports: [{ port: 80, endPort: 79 }] }] } },
      ['spec.ingress[0].ports[0].endPort: Invalid value: 79: must be greater than or equal to `port`'],
    ],
    [
      'operator',
      'NetworkPolicy',
      { spec: { podSelector: { matchExpressions: [{ key: 'a', operator: 'in', values: ['b'] }] } } },
      ['spec.podSelector.matchExpressions[0].operator: Invalid value: "in": not a valid selector operator'],
    ],
  ])('%s', (_, kind, rest, expected) => expect(messages(kind, rest)).toEqual(expected));

  it('an unknown kind', () => {
    expect(() => validateObject({ kind: 'Servise' })).toThrow(expect.objectContaining({ code: 'unknown-kind' }));
  });
});

describe('CiliumLocalRedirectPolicy', () => {
  const policy = (
    frontend: Spec,
    backend: Spec = { localEndpointSelector: {}, toPorts: [{ port: '53', protocol: 'UDP' }] },
  ) =>
    validateObject({
      kind: 'CiliumLocalRedirectPolicy',
      metadata: META,
      spec: { redirectFrontend: frontend, redirectBackend: backend },
    });
  const ports = [{ port: '53', protocol: 'UDP' }];

  it.each<[string, Spec, string[], string | undefined]>([
    ['by address', { addressMatcher: { ip: '169.254.20.10', toPorts: ports } }, [], undefined],
    ['by service', { serviceMatcher: { serviceName: 'dns', namespace: 'shop' } }, [], undefined],
    ['neither', {}, ['one-of', 'required'], 'invalid-object'],
    [
      'both',
      { addressMatcher: { ip: '10.0.0.1', toPorts: ports }, serviceMatcher: { serviceName: 'x', namespace: 'shop' } },
      ['one-of'],
      'invalid-object',
    ],
    ['another namespace', { serviceMatcher: { serviceName: 'dns', namespace: 'kube-system' } }, [], 'invalid-object'],
    ['no address', { addressMatcher: { ip: '10.0.0', toPorts: ports } }, ['pattern'], 'invalid-object'],
    [
      'port 0',
      { addressMatcher: { ip: '10.0.0.1', toPorts: [{ port: '0', protocol: 'UDP' }] } },
      ['pattern'],
      'invalid-object',
    ],
  ])('%s', (_, frontend, kinds, code) => {
    const verdict = policy(frontend);
    expect(verdict.schema.map(({ kind }) => kind)).toEqual(kinds);
    expect(verdict.agent?.code).toBe(code);
  });
});

it('what the agent drops of a Service that the API server takes', () => {
  const verdict = validateObject({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: META,
    spec: { type: 'LoadBalancer', loadBalancerSourceRanges: [' 10.0.0.0/8'], ports: [PORT] },
  });
  expect(verdict).toMatchObject({ schema: [], effective: true });
  expect(verdict.notices.map(({ code, path }) => [code, path])).toEqual([
    ['unparsable-source-range', ['spec', 'loadBalancerSourceRanges', 0]],
  ]);
});
