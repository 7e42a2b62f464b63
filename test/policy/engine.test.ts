import { load } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { formatCidr, parseAddress, parseCidr } from '../../src/net/index.ts';
import {
  directionName,
  type EndpointPolicy,
  explainVerdict,
  matchesFqdn,
  parseLabel,
  PolicyCluster,
  type PolicyConfig,
  type PolicyEndpoint,
  PolicyEngine,
  policyPacket,
  policyResult,
  sortLabels,
} from '../../src/policy/index.ts';

const labels = (...texts: string[]): PolicyEndpoint['labels'] =>
  sortLabels(
    [...texts, 'k8s:io.kubernetes.pod.namespace=x', 'k8s:io.cilium.k8s.policy.cluster=default'].map(parseLabel),
  );

const A: PolicyEndpoint = {
  name: 'x/a',
  identity: 300,
  labels: labels('k8s:app=a'),
  namedPorts: [{ name: 'web', proto: 6, port: 8080 }],
};
const B: PolicyEndpoint = { name: 'x/b', identity: 301, labels: labels('k8s:app=b'), namedPorts: [] };

function engineOf(config: PolicyConfig = {}): PolicyEngine {
  const engine = new PolicyEngine(config);
  for (const { identity, labels: all, namedPorts } of [A, B]) {
    engine.addIdentity(identity, all);
    engine.addNamedPorts(namedPorts);
  }
  return engine;
}

const cnp = (name: string, spec: string): unknown => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: { name, namespace: 'x' },
  spec: load(spec),
});

const rows = (policy: EndpointPolicy): string[] =>
  policy.entries().map(({ key, entry }) => {
    const port = key.proto === 0 ? 'any' : `${key.proto}:${key.port}/${key.portPrefix}`;
    const auth = entry.auth === 0 && !entry.authExplicit ? '' : ` auth ${entry.auth}${entry.authExplicit ? '!' : ''}`;
    const proxy = entry.proxyPort === 0 ? '' : ` proxy ${entry.proxyPort}@${entry.priority}`;
    return `${directionName(key.direction)} ${key.identity} ${port} ${entry.deny ? 'deny' : 'allow'}${proxy}${auth}`;
  });

const ingressRows = (engine: PolicyEngine): string[] =>
  rows(engine.policyOf(A)).filter((row) => row.startsWith('ingress'));

describe('PolicyEngine', () => {
  it('keeps the redirect of a wide HTTP rule over a plain narrow one', () => {
    const engine = engineOf();
    engine.setPolicies([
      cnp(
        'p',
        `{endpointSelector: {}, ingress: [
          {fromEndpoints: [{matchLabels: {app: b}}], toPorts: [{ports: [{port: "64", endPort: 127, protocol: TCP}], rules: {http: [{}]}}]},
          {fromEndpoints: [{matchLabels: {app: b}}], toPorts: [{ports: [{port: "80", protocol: TCP}]}]}]}`,
      ),
    ]);
    expect(ingressRows(engine)).toEqual(['ingress 1 any allow', 'ingress 301 6:64/10 allow proxy 10001@27']);
  });

  it('cuts the prefix of a range from port 0 only on the way to the map', () => {
    const engine = engineOf();
    engine.setPolicies([
      cnp('p', `{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "0", endPort: 1027, protocol: TCP}]}]}]}`),
    ]);
    expect(ingressRows(engine)).toEqual(['ingress 0 6:0/0 allow', 'ingress 0 6:1024/14 allow', 'ingress 1 any allow']);
  });

  it('tells results that depend on order instead of choosing one', () => {
    const engine = engineOf();
    engine.setPolicies([
      cnp(
        'p',
        `{endpointSelector: {}, ingress: [
          {fromEndpoints: [{matchLabels: {app: b}}], authentication: {mode: required}, toPorts: [{ports: [{port: "0", protocol: TCP}]}]},
          {fromEndpoints: [{matchLabels: {app: b}}], authentication: {mode: test-always-fail}, toPorts: [{ports: [{port: "64", endPort: 127, protocol: TCP}]}]},
          {fromEndpoints: [{matchLabels: {app: b}}], toPorts: [{ports: [{port: "8080", protocol: TCP}]}]}]}`,
      ),
    ]);
    const policy = engine.policyOf(A);
    expect(policy.orderDependent).toEqual(['ingress']);
    expect(policy.maps.length).toBeGreaterThan(1);
    const packet = policyPacket({ remote: 301, proto: 6, dport: 8080 });
    expect(policy.check(packet, {}, policyResult())).toBeUndefined();
    expect(explainVerdict(policy, packet, {}, engine.selectors).undecided).toBe(true);
    expect(explainVerdict(policy, { ...packet, dport: 443 }, {}, engine.selectors)).toMatchObject({
      undecided: false,
      code: -189,
    });
  });

  it('refuses the whole policy of an endpoint on a conflict, and only there', () => {
    const engine = engineOf();
    const rule = (rules: string): string =>
      `{endpointSelector: {matchLabels: {app: a}}, ingress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], rules: ${rules}}]}]}`;
    engine.setPolicies([cnp('p', rule('{http: [{}]}')), cnp('q', rule('{kafka: [{role: produce}]}'))]);
    expect(() => engine.policyOf(A)).toThrow(expect.objectContaining({ code: 'policy-conflict' }));
    expect(engine.policyOf(B).ingressEnforced).toBe(false);
  });

  it('changes nothing when one object is refused', () => {
    const engine = engineOf();
    const good = cnp('p', '{endpointSelector: {}, ingress: [{fromCIDR: [192.0.2.0/24]}]}');
    const bad = cnp('q', '{endpointSelector: {}, ingress: [{fromEntities: [everyone]}]}');
    expect(() => engine.setPolicies([good, bad])).toThrow(
      expect.objectContaining({ code: 'unknown-entity', path: [1, 'spec', 'ingress', 0, 'fromEntities', 0] }),
    );
    expect(engine.policies).toEqual([]);
    expect(engine.local.all()).toEqual([]);
  });

  it('resolves again only the endpoints that a change selects', () => {
    const engine = engineOf();
    const forB = (port: number): unknown =>
      cnp('p', `{endpointSelector: {matchLabels: {app: b}}, ingress: [{toPorts: [{ports: [{port: "${port}"}]}]}]}`);
    engine.setPolicies([forB(80)]);
    const before = engine.policyOf(A);
    const other = engine.policyOf(B);
    const { resolutions } = engine;
    engine.setPolicies([forB(81)]);
    expect(engine.policyOf(A)).toBe(before);
    expect(engine.policyOf(B)).not.toBe(other);
    expect(engine.resolutions).toBe(resolutions + 1);
  });

  it('follows identities that come', () => {
    const engine = engineOf();
    engine.setPolicies([cnp('p', '{endpointSelector: {}, ingress: [{fromEndpoints: [{matchLabels: {app: c}}]}]}')]);
    expect(ingressRows(engine)).toEqual(['ingress 1 any allow']);
    engine.addIdentity(302, labels('k8s:app=c'));
    expect(ingressRows(engine)).toEqual(['ingress 1 any allow', 'ingress 302 any allow']);
    expect(() => engine.addIdentity(302, labels('k8s:app=d'))).toThrow(
      expect.objectContaining({ code: 'duplicate-identity' }),
    );
  });

  it('gives prefixes identities as long as somebody names them', () => {
    const engine = engineOf();
    const block = (name: string, cidr: string): unknown =>
      cnp(name, `{endpointSelector: {}, egress: [{toCIDR: [${cidr}]}]}`);
    engine.setPolicies([block('p', '10.0.0.0/8'), block('q', '10.1.2.3/16'), block('r', '10.0.0.0/8')]);
    const known = (): string[] => engine.local.all().map(({ cidr, identity }) => `${formatCidr(cidr)} ${identity}`);
    expect(known()).toEqual(['10.0.0.0/8 16777217', '10.1.0.0/16 16777218']);
    expect(engine.identityOf(parseAddress('10.1.9.9'))).toBe(16777218);
    engine.deletePolicy({ kind: 'CiliumNetworkPolicy', namespace: 'x', name: 'p' });
    expect(known()).toEqual(['10.0.0.0/8 16777217', '10.1.0.0/16 16777218']);
    engine.deletePolicy({ kind: 'CiliumNetworkPolicy', namespace: 'x', name: 'r' });
    expect(known()).toEqual(['10.1.0.0/16 16777218']);
    expect(engine.identityOf(parseAddress('10.2.0.1'))).toBe(2);
    engine.setAddress(parseAddress('10.1.0.7'), 300);
    expect(engine.identityOf(parseAddress('10.1.0.7'))).toBe(300);
  });

  it('lets a prefix take over labels of those around it', () => {
    const engine = engineOf();
    engine.setPolicies([
      cnp('p', '{endpointSelector: {}, egress: [{toCIDR: [192.0.2.0/24]}, {toCIDR: [192.0.2.128/25]}]}'),
    ]);
    const group = 'cidrgroup:io.cilium.policy.cidrgroupname/partners';
    engine.addPrefixLabels([
      [parseCidr('192.0.2.0/24'), parseLabel(group)],
      [parseCidr('192.0.2.200/32'), parseLabel('fqdn:api.example.com')],
    ]);
    expect(engine.identities.labelsOf(engine.identityOf(parseAddress('192.0.2.200'))).sort()).toEqual([
      'cidr:192.0.2.128/25',
      group,
      'fqdn:api.example.com',
      'reserved:world',
    ]);
  });

  it('replaces services by their pods or addresses', () => {
    const engine = engineOf();
    engine.setPolicies([
      cnp(
        'p',
        `{endpointSelector: {matchLabels: {app: a}}, egress: [
          {toServices: [{k8sService: {serviceName: b, namespace: x}}, {k8sService: {serviceName: outside, namespace: x}}]}]}`,
      ),
    ]);
    expect(engine.notices.map(({ code }) => code)).toEqual(['unknown-service', 'unknown-service']);
    expect(rows(engine.policyOf(A))).not.toContain('egress 301 any allow');
    const service = { namespace: 'x', labels: {}, addresses: [parseAddress('192.0.2.9')] };
    engine.setServices([
      { ...service, name: 'b', selector: { app: 'b' } },
      { ...service, name: 'outside' },
    ]);
    expect(engine.notices).toEqual([]);
    expect(rows(engine.policyOf(A)).filter((row) => row.startsWith('egress'))).toEqual([
      'egress 301 any allow',
      'egress 16777217 any allow',
    ]);
  });

  it('looks named ports up on the subject for ingress, and over all pods for egress', () => {
    const engine = engineOf();
    engine.setPolicies([
      cnp(
        'p',
        '{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: web}]}]}], egress: [{toPorts: [{ports: [{port: WEB}]}]}]}',
      ),
    ]);
    expect(rows(engine.policyOf(A))).toEqual([
      'ingress 0 6:8080/16 allow',
      'ingress 1 any allow',
      'egress 0 6:8080/16 allow',
    ]);
    expect(rows(engine.policyOf(B))).toEqual(['ingress 1 any allow', 'egress 0 6:8080/16 allow']);
    engine.addNamedPorts([{ name: 'web', proto: 6, port: 9090 }]);
    expect(rows(engine.policyOf(B))).toEqual(['ingress 1 any allow']);
  });

  it('takes the world for both worlds where both families are on', () => {
    const engine = engineOf({ dualStack: true });
    engine.setPolicies([
      cnp('p', '{endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {"reserved:world": ""}}]}]}'),
      cnp('q', '{endpointSelector: {}, ingress: [{fromCIDR: ["2001:db8::/32", "::/0"]}]}'),
    ]);
    expect(rows(engine.policyOf(A)).filter((row) => row.startsWith('egress'))).toEqual([
      'egress 2 any allow',
      'egress 9 any allow',
      'egress 10 any allow',
    ]);
    expect(ingressRows(engine)).toEqual(['ingress 1 any allow', 'ingress 10 any allow', 'ingress 16777217 any allow']);
    expect(engine.identities.labelsOf(16777217)).toEqual(['cidr:2001-db8--0/32', 'reserved:world-ipv6']);
  });

  it('takes the listener with the lower number', () => {
    const engine = engineOf({ proxyPort: (_, __, listener) => (listener === 'x/c/one' ? 1111 : 2222) });
    const rule = (name: string, priority: number): string =>
      `{endpointSelector: {}, egress: [{toPorts: [{ports: [{port: "80", protocol: TCP}], listener: {name: ${name}, priority: ${priority}, envoyConfig: {name: c}}}]}]}`;
    engine.setPolicies([cnp('p', rule('one', 20)), cnp('q', rule('two', 10))]);
    expect(rows(engine.policyOf(A))).toContain('egress 0 6:80/16 allow proxy 2222@118');
  });
});

describe('PolicyCluster', () => {
  const objects = load(`
- {kind: Node, metadata: {name: n1, labels: {role: master}}, status: {addresses: [{type: InternalIP, address: 10.9.0.1}]}}
- {kind: Node, metadata: {name: n2, labels: {role: worker}}, status: {addresses: [{type: InternalIP, address: 10.9.0.2}]}}
- {kind: Namespace, metadata: {name: x, labels: {team: blue}}}
- {kind: Pod, metadata: {name: a, namespace: x, labels: {app: a, pod-template-hash: abc}}, spec: {nodeName: n1}, status: {podIP: 10.0.0.1}}
- {kind: Pod, metadata: {name: b, namespace: x, labels: {app: b}}, spec: {nodeName: n2}, status: {podIP: 10.0.0.2}}
- {kind: Pod, metadata: {name: net, namespace: x}, spec: {nodeName: n2, hostNetwork: true}, status: {podIP: 10.9.0.2}}
- {kind: Pod, metadata: {name: done, namespace: x}, spec: {nodeName: n2}, status: {podIP: 10.0.0.2, phase: Succeeded}}
- {kind: CiliumEndpoint, metadata: {name: b, namespace: x}, status: {identity: {id: 4711, labels: ["k8s:app=b", "k8s:io.kubernetes.pod.namespace=x"]}}}
- {kind: EndpointSlice, metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}, endpoints: [{addresses: [10.9.0.1]}, {addresses: [192.0.2.50]}]}
- {kind: CiliumCIDRGroup, metadata: {name: g, labels: {zone: out}}, spec: {externalCIDRs: [198.51.100.0/24]}}
`) as unknown[];
  const ccnp = (name: string, spec: string): unknown => ({
    kind: 'CiliumClusterwideNetworkPolicy',
    metadata: { name },
    spec: load(spec),
  });
  const at = (address: string): { kind: 'address'; address: ReturnType<typeof parseAddress> } => ({
    kind: 'address',
    address: parseAddress(address),
  });
  const TCP80 = { proto: 6, port: 80 };

  it('knows who is who', () => {
    const cluster = new PolicyCluster(objects);
    expect([...cluster.pods.keys()].sort()).toEqual(['x/a', 'x/b']);
    expect(cluster.pods.get('x/b')!.identity).toBe(4711);
    expect(cluster.pods.get('x/a')!.labels.map(({ key }) => key)).not.toContain('pod-template-hash');
    expect(cluster.pod('x/net')).toEqual({ kind: 'node', name: 'n2' });
    expect(cluster.partyAt(parseAddress('10.0.0.2'))).toEqual({ kind: 'pod', name: 'x/b' });
    expect(cluster.identityOf(cluster.node('n1'), 'n1')).toBe(1);
    expect(cluster.identityOf(cluster.node('n1'), 'n2')).toBe(7);
    expect(cluster.identityOf(cluster.node('n2'), 'n1')).toBe(6);
    expect(cluster.assumptions).toHaveLength(1);
    expect(() => cluster.pod('x/nobody')).toThrow(expect.objectContaining({ code: 'unknown-pod' }));
  });

  it('tells the API server outside, groups and the own host apart', () => {
    const cluster = new PolicyCluster([
      ...objects,
      ccnp('api', '{endpointSelector: {matchLabels: {app: a}}, egress: [{toEntities: [kube-apiserver]}]}'),
      ccnp(
        'group',
        '{endpointSelector: {matchLabels: {app: b}}, egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {zone: out}}}]}]}',
      ),
    ]);
    const reaches = (pod: string, address: string): boolean =>
      cluster.check(cluster.pod(pod), cluster.partyAt(at(address).address), TCP80).allowed;
    expect(reaches('x/a', '192.0.2.50')).toBe(true);
    expect(reaches('x/a', '10.9.0.1')).toBe(true);
    expect(reaches('x/a', '10.9.0.2')).toBe(false);
    expect(reaches('x/b', '198.51.100.1')).toBe(true);
    expect(reaches('x/b', '192.0.2.50')).toBe(false);
  });

  it('enforces rules for nodes on hosts, with the host firewall only', () => {
    const rule = ccnp('host', '{nodeSelector: {matchLabels: {role: worker}}, ingress: [{fromEntities: [cluster]}]}');
    const asked = (hostFirewall: boolean): boolean[] => {
      const cluster = new PolicyCluster([...objects, rule], { config: { hostFirewall } });
      return ['n1', 'n2'].map((node) => cluster.check(at('203.0.113.1'), cluster.node(node), TCP80).allowed);
    };
    expect(asked(false)).toEqual([true, true]);
    expect(asked(true)).toEqual([true, false]);
  });

  it('selects nodes by label where that is switched on', () => {
    const rule = ccnp(
      'nodes',
      '{endpointSelector: {matchLabels: {app: b}}, ingress: [{fromNodes: [{matchLabels: {role: master}}]}]}',
    );
    const off = new PolicyCluster([...objects, rule]);
    expect(off.refused.map(({ error }) => error.code)).toEqual(['node-selector-labels-disabled']);
    const cluster = new PolicyCluster([...objects, rule], { config: { nodeSelectorLabels: true } });
    expect(cluster.check(cluster.node('n1'), cluster.pod('x/b'), TCP80).allowed).toBe(true);
    expect(cluster.check(cluster.pod('x/a'), cluster.pod('x/b'), TCP80).allowed).toBe(false);
  });

  it('lets a pod reach itself whatever policy says', () => {
    const cluster = new PolicyCluster([
      ...objects,
      ccnp('none', '{endpointSelector: {}, ingress: [{}], egress: [{}]}'),
    ]);
    expect(cluster.check(cluster.pod('x/a'), cluster.pod('x/a'), TCP80)).toMatchObject({
      allowed: true,
      egress: undefined,
    });
    expect(cluster.check(cluster.pod('x/a'), cluster.pod('x/b'), TCP80).allowed).toBe(false);
  });
});

describe('matchesFqdn', () => {
  it.each([
    ['*', 'anything.at.all', true],
    ['api.example.com', 'API.example.com.', true],
    ['*.example.com', 'api.example.com', true],
    ['*.example.com', 'a.b.example.com', false],
    ['*.example.com', 'example.com', false],
    ['a*b.example.com', 'axxb.example.com', true],
    ['api.example.com', 'apixexample.com', false],
  ])('%s and %s: %s', (selector, name, expected) => {
    expect(matchesFqdn(selector, name)).toBe(expected);
  });
});
