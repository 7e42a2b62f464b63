import { type Cidr, isUnspecified, maskCidr, tryParseAddress, tryParseCidr } from '../net/index.ts';
import { Field } from './fields.ts';
import type { SchemaError } from './schema.ts';
import { PROTOCOLS, SERVICE_TYPES } from './schemas/kubernetes.ts';

const NOT_IP = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const NOT_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function address(field: Field): ReturnType<typeof tryParseAddress> {
  const text = field.text();
  if (text === undefined) return undefined;
  const parsed = tryParseAddress(text);
  if (parsed === undefined) field.invalid(NOT_IP);
  return parsed;
}

function cidr(field: Field): Cidr | undefined {
  const text = field.text();
  if (text === undefined) return undefined;
  const parsed = tryParseCidr(text);
  if (parsed === undefined) field.invalid(NOT_CIDR);
  return parsed;
}

const isLoopback = (ip: NonNullable<ReturnType<typeof tryParseAddress>>): boolean =>
  ip.family === 4 ? ip.words[0]! >>> 24 === 127 : ip.words.every((word, i) => word === (i === 3 ? 1 : 0));
const isLinkLocal = (ip: NonNullable<ReturnType<typeof tryParseAddress>>): boolean =>
  ip.family === 4 ? ip.words[0]! >>> 16 === 0xa9fe : ip.words[0]! >>> 22 === 0x3fa;

/** An address that traffic of others can reach. */
function reachable(field: Field): void {
  const ip = address(field);
  if (ip === undefined) return;
  if (isUnspecified(ip)) field.invalid('may not be unspecified (0.0.0.0 or ::)');
  if (isLoopback(ip)) field.invalid('may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (isLinkLocal(ip)) field.invalid('may not be in the link-local range (169.254.0.0/16, fe80::/10)');
}

function unique(
  fields: readonly Field[],
  keyOf: (field: Field) => string | undefined,
  at: (field: Field) => Field,
): void {
  const seen = new Set<string>();
  for (const field of fields) {
    const key = keyOf(field);
    if (key === undefined) continue;
    if (seen.has(key)) at(field).duplicate();
    seen.add(key);
  }
}

function servicePorts(spec: Field, type: string): void {
  const ports = spec.field('ports').items();
  if (ports.length === 0 && type !== 'ExternalName' && spec.field('clusterIP').text() !== 'None') {
    spec.field('ports').required();
  }
  for (const port of ports) {
    const name = port.field('name');
    if (ports.length > 1 && (name.text() ?? '') === '') name.required();
    if ((name.text() ?? '') !== '') name.dnsLabel();
    if (port.field('port').given) port.field('port').port();
    else port.field('port').invalid('must be between 1 and 65535, inclusive');
    port.field('protocol').among(PROTOCOLS);
    const target = port.field('targetPort');
    if (target.number() !== undefined) target.port();
    else target.portName();
    const nodePort = port.field('nodePort');
    if ((nodePort.number() ?? 0) !== 0) {
      if (type === 'ClusterIP') nodePort.forbidden("may not be used when `type` is 'ClusterIP'");
      if (type === 'ExternalName') nodePort.forbidden("may not be used when `type` is 'ExternalName'");
      nodePort.port();
    }
  }
  unique(
    ports,
    (port) => port.field('name').text(),
    (port) => port.field('name'),
  );
  unique(
    ports,
    (port) => `${port.field('protocol').text() ?? 'TCP'}/${port.field('port').number()}`,
    (port) => port,
  );
}

function serviceAddresses(spec: Field, type: string): void {
  const ip = spec.field('clusterIP');
  const text = ip.text() ?? '';
  if (text === 'None' && (type === 'NodePort' || type === 'LoadBalancer')) {
    ip.invalid(`may not be set to 'None' for ${type} services`);
  } else if (text !== '' && text !== 'None') address(ip);
  const ips = spec.field('clusterIPs').items();
  for (const one of ips) if (one.text() !== 'None') address(one);
  if (ips.length > 2) spec.field('clusterIPs').invalid('may only hold up to 2 values');
  if (text !== '' && ips.length > 0 && ips[0]!.text() !== text)
    spec.field('clusterIPs').invalid('first value must match `clusterIP`');
  for (const one of spec.field('externalIPs').items()) reachable(one);
  const ranges = spec.field('loadBalancerSourceRanges');
  if (ranges.items().length > 0 && type !== 'LoadBalancer') {
    ranges.forbidden("may only be used when `type` is 'LoadBalancer'");
  }
  for (const range of ranges.items()) {
    const trimmed = range.text()?.trim();
    if (trimmed !== undefined && tryParseCidr(trimmed) === undefined) range.invalid(NOT_CIDR);
  }
}

function serviceFamilies(spec: Field): void {
  const families = spec.field('ipFamilies').items();
  for (const family of families) family.among(['IPv4', 'IPv6']);
  unique(
    families,
    (family) => family.text(),
    (family) => family,
  );
  if (families.length > 2) spec.field('ipFamilies').invalid('may only hold up to 2 values');
}

function service(root: Field): void {
  root.field('metadata').field('name').dns1035();
  const spec = root.field('spec');
  const type = spec.field('type').text() ?? 'ClusterIP';
  spec.field('type').among(SERVICE_TYPES);
  servicePorts(spec, type);
  serviceAddresses(spec, type);
  serviceFamilies(spec);
  const external = ['NodePort', 'LoadBalancer'].includes(type) || spec.field('externalIPs').items().length > 0;
  const policy = spec.field('externalTrafficPolicy');
  if ((policy.text() ?? '') !== '' && policy.among(['Cluster', 'Local']) && !external) {
    policy.invalid('may only be set for externally-accessible services');
  }
  const health = spec.field('healthCheckNodePort');
  if ((health.number() ?? 0) !== 0 && !(type === 'LoadBalancer' && policy.text() === 'Local')) {
    health.invalid("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
  }
  const affinity = spec.field('sessionAffinity');
  affinity.among(['ClientIP', 'None']);
  const config = spec.field('sessionAffinityConfig');
  if (config.given && affinity.text() !== 'ClientIP') {
    config.forbidden('must not be set when session affinity is None');
  }
  const timeout = config.field('clientIP').field('timeoutSeconds');
  const seconds = timeout.number();
  if (seconds !== undefined && (seconds <= 0 || seconds > 86400))
    timeout.invalid('must be greater than 0 and less than 86400');
  if (type === 'ExternalName') {
    if ((spec.field('externalName').text() ?? '') === '') spec.field('externalName').required();
  }
  for (const name of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) {
    if (spec.field(name).given && type !== 'LoadBalancer') {
      spec.field(name).forbidden("may only be used when `type` is 'LoadBalancer'");
    }
  }
  const distribution = spec.field('trafficDistribution');
  if ((distribution.text() ?? '') !== '') distribution.among(['PreferClose', 'PreferSameNode', 'PreferSameZone']);
  spec.field('selector').labels();
}

function endpointSlice(root: Field): void {
  root.field('metadata').field('name').dnsSubdomain();
  const type = root.field('addressType');
  if (!type.given) type.required();
  else type.among(['FQDN', 'IPv4', 'IPv6']);
  const endpoints = root.field('endpoints');
  if (endpoints.items().length > 1000) endpoints.tooMany(1000);
  for (const endpoint of endpoints.items()) {
    const addresses = endpoint.field('addresses');
    if (addresses.items().length === 0) addresses.required('must contain at least 1 address');
    if (addresses.items().length > 100) addresses.tooMany(100);
    for (const one of addresses.items()) sliceAddress(one, type.text());
    endpoint.field('hostname').dnsLabel();
    const zones = endpoint.field('hints').field('forZones');
    if (zones.items().length > 8) zones.tooMany(8);
  }
  const ports = root.field('ports');
  if (ports.items().length > 20_000) ports.tooMany(20_000);
  for (const port of ports.items()) {
    if ((port.field('name').text() ?? '') !== '') port.field('name').dnsLabel();
    port.field('protocol').among(PROTOCOLS);
    port.field('port').port();
  }
  unique(
    ports.items(),
    (port) => port.field('name').text() ?? '',
    (port) => port.field('name'),
  );
}

function sliceAddress(field: Field, type: string | undefined): void {
  if (type === 'FQDN') return field.dnsSubdomain();
  const ip = tryParseAddress(field.text() ?? '');
  const family = type === 'IPv6' ? 6 : 4;
  if (ip?.family !== family) field.invalid(`must be a valid IPv${family} address`);
  else reachable(field);
}

function node(root: Field): void {
  root.field('metadata').field('name').dnsSubdomain();
  const cidrs = root.field('spec').field('podCIDRs').items();
  for (const one of cidrs) cidr(one);
  if (cidrs.length > 2)
    root.field('spec').field('podCIDRs').invalid('may specify no more than one CIDR for each IP family');
  const first = root.field('spec').field('podCIDR');
  if (first.given && cidrs.length > 0 && cidrs[0]!.text() !== first.text()) first.invalid('must match podCIDRs[0]');
  for (const one of root.field('status').field('addresses').items()) {
    const type = one.field('type').text();
    if (type === 'InternalIP' || type === 'ExternalIP') address(one.field('address'));
  }
}

function pod(root: Field): void {
  root.field('metadata').field('name').dnsSubdomain();
  const spec = root.field('spec');
  const host = spec.field('hostNetwork').value === true;
  const claimed: Field[] = [];
  for (const group of ['initContainers', 'containers']) {
    for (const container of spec.field(group).items()) {
      const ports = container.field('ports').items();
      for (const port of ports) {
        port.field('name').portName();
        if (!port.field('containerPort').given) port.field('containerPort').required();
        port.field('containerPort').port();
        const hostPort = port.field('hostPort');
        if ((hostPort.number() ?? 0) !== 0) {
          hostPort.port();
          if (host && hostPort.number() !== port.field('containerPort').number()) {
            port.field('containerPort').invalid('must match `hostPort` when `hostNetwork` is true');
          }
          if (group === 'containers') claimed.push(port);
        }
        port.field('protocol').among(PROTOCOLS);
        address(port.field('hostIP'));
      }
      unique(
        ports,
        (port) => port.field('name').text(),
        (port) => port.field('name'),
      );
    }
  }
  unique(
    claimed,
    (port) =>
      `${port.field('protocol').text() ?? 'TCP'}/${port.field('hostIP').text() ?? ''}/${port.field('hostPort').number()}`,
    (port) => port.field('hostPort'),
  );
  address(root.field('status').field('podIP'));
  for (const one of root.field('status').field('podIPs').items()) address(one.field('ip'));
}

function selector(field: Field): void {
  field.field('matchLabels').labels();
  for (const item of field.field('matchExpressions').items()) {
    const operator = item.field('operator').text();
    const values = item.field('values');
    if (operator === 'In' || operator === 'NotIn') {
      if (values.items().length === 0) values.required("must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.items().length > 0)
        values.forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else item.field('operator').invalid('not a valid selector operator');
  }
}

function block(field: Field): void {
  const text = field.field('cidr');
  if ((text.text() ?? '') === '') return text.required();
  const outer = cidr(text);
  for (const except of field.field('except').items()) {
    const inner = cidr(except);
    if (outer === undefined || inner === undefined) continue;
    const base = maskCidr({ address: inner.address, bits: outer.bits });
    const inside =
      inner.address.family === outer.address.family &&
      inner.bits > outer.bits &&
      base.address.words.every((word, i) => word === maskCidr(outer).address.words[i]);
    if (!inside) except.invalid(`must be a strict subset of \`cidr\``);
  }
}

function policyPorts(ports: Field): void {
  for (const port of ports.items()) {
    port.field('protocol').among(PROTOCOLS);
    const value = port.field('port');
    const end = port.field('endPort');
    if (value.number() !== undefined) value.port();
    else value.portName();
    if (!end.given) continue;
    if (!value.given) end.invalid('may not be specified when `port` is not specified');
    else if (value.number() === undefined) end.invalid('may not be specified when `port` is non-numeric');
    else if (end.number()! < value.number()!) end.invalid('must be greater than or equal to `port`');
    end.port();
  }
}

function networkPolicy(root: Field): void {
  root.field('metadata').field('name').dnsSubdomain();
  const spec = root.field('spec');
  selector(spec.field('podSelector'));
  const types = spec.field('policyTypes');
  for (const type of types.items()) type.among(['Egress', 'Ingress']);
  if (types.items().length > 2) types.invalid('may not specify more than two policyTypes');
  for (const [section, side] of [
    ['ingress', 'from'],
    ['egress', 'to'],
  ] as const) {
    for (const rule of spec.field(section).items()) {
      policyPorts(rule.field('ports'));
      for (const peer of rule.field(side).items()) {
        const given = ['podSelector', 'namespaceSelector', 'ipBlock'].filter((name) => peer.field(name).given);
        if (given.length === 0) peer.required('must specify a peer');
        if (given.includes('ipBlock') && given.length > 1) {
          peer.forbidden('may not specify both ipBlock and another peer');
        }
        selector(peer.field('podSelector'));
        selector(peer.field('namespaceSelector'));
        if (peer.field('ipBlock').given) block(peer.field('ipBlock'));
      }
    }
  }
}

const CHECKS: Readonly<Record<string, (root: Field) => void>> = {
  Service: service,
  EndpointSlice: endpointSlice,
  Node: node,
  Pod: pod,
  NetworkPolicy: networkPolicy,
};

/** The published API rules of a Kubernetes kind beyond types, in the API server's words. */
export function checkKubernetesRules(kind: string, value: unknown): SchemaError[] {
  const errors: SchemaError[] = [];
  const root = new Field(value, [], errors);
  const { name, labels } = {
    name: root.field('metadata').field('name'),
    labels: root.field('metadata').field('labels'),
  };
  if ((name.text() ?? '') === '' && !root.field('metadata').field('generateName').given) {
    name.required('name or generateName is required');
  }
  labels.labels();
  CHECKS[kind]?.(root);
  return errors;
}
