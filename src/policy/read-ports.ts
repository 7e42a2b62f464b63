import { parseProtocol, Protocol } from '../net/index.ts';
import { LbtwinError } from '../errors.ts';
import { isRe2 } from '../text/re2.ts';
import { ICMP_FAMILIES, type IcmpFamily, icmpTypeNumber, isPortName, parsePortNumber } from './ports.ts';
import type { Raw } from './raw.ts';
import { readDnsMatch } from './read-peers.ts';
import type { IcmpSpec, L7Spec, PolicyParseOptions, PortRule, PortSpec } from './rule.ts';

const MAX_PORTS = 40;

/** What the checks of a port list depend on. */
export interface PortContext {
  readonly ingress: boolean;
  readonly deny: boolean;
  readonly forNodes: boolean;
  readonly options: PolicyParseOptions;
  /** Prefix of listener names. */
  readonly namespace: string;
}

/** Reads `toPorts`; undefined where it is absent. */
export function readToPorts(raw: Raw, context: PortContext): PortRule[] | undefined {
  return raw.list()?.map((item) => {
    item.object();
    const ports = (item.field('ports').list() ?? []).map(readPort);
    if (ports.length > MAX_PORTS) {
      item.field('ports').fail('more-than-40-ports', `${ports.length} ports in one list`, `up to ${MAX_PORTS}`);
    }
    const l7 = context.deny ? undefined : readL7(item, ports, context);
    return { ports, path: item.path, ...(l7 === undefined ? {} : { l7 }) };
  });
}

function readPort(item: Raw): PortSpec {
  const at = item.field('port');
  const text = String(at.stringOrInteger() ?? '');
  if (text === '') at.fail('port-missing', 'a port is needed', 'a number 0..65535 or a port name');
  const proto = readProtocol(item.field('protocol'));
  // Decoded as a 32-bit integer, kept as a 16-bit one.
  const endPort = (item.field('endPort').integer() ?? 0) & 0xffff;
  if (isPortName(text)) return { port: 0, name: text.toLowerCase(), endPort, proto, path: item.path };
  const port = parsePortNumber(text);
  if (port === undefined) {
    return at.fail(
      'port-out-of-range-or-not-a-number',
      `unable to parse port: ${JSON.stringify(text)} is no number or out of range`,
      'a number 0..65535, or a name of up to 15 letters, digits and single dashes',
    );
  }
  return { port, name: '', endPort, proto, path: item.path };
}

/** Protocols that a port may have, in upper case. */
const PORT_PROTOCOLS = ['ANY', 'TCP', 'UDP', 'SCTP'];

function readProtocol(raw: Raw): number {
  const text = raw.string() ?? '';
  if (text === '') return Protocol.ANY;
  if (!PORT_PROTOCOLS.includes(text.toUpperCase())) {
    raw.fail('unknown-protocol', `${JSON.stringify(text)} is not a protocol of ports`, PORT_PROTOCOLS.join(', '));
  }
  return parseProtocol(text);
}

function readL7(item: Raw, ports: readonly PortSpec[], context: PortContext): L7Spec | undefined {
  const rules = readRules(item.field('rules'), ports, context);
  const listener = item.field('listener');
  if (!listener.missing) {
    if (context.ingress) listener.fail('listener-on-ingress', 'a listener is for egress only');
    if (rules !== undefined) listener.fail('listener-with-l7', 'a listener cannot be combined with L7 rules');
  }
  const tls = ['terminatingTLS', 'originatingTLS'].map((name) => item.field(name));
  const serverNames = (item.field('serverNames').strings() ?? []).length > 0;
  if (serverNames && rules !== undefined && tls[0]!.missing) {
    item
      .field('serverNames')
      .fail('sni-with-l7-without-tls-termination', 'server names with L7 rules need terminatingTLS');
  }
  if (item.field('serverNames').strings()?.includes('') === true) {
    item.field('serverNames').fail('empty-server-name', 'a server name must not be empty');
  }
  const tlsText = tls.some((context_) => !context_.missing)
    ? JSON.stringify(tls.map(({ value }) => value ?? null))
    : '';
  if (rules === undefined && listener.missing && tlsText === '' && !serverNames) return undefined;
  const spec: L7Spec = { rules: rules ?? '', tls: tlsText, serverNames };
  return listener.missing ? spec : { ...spec, listener: readListener(listener, context.namespace) };
}

function readListener(raw: Raw, namespace: string): { name: string; priority: number } {
  const config = raw.field('envoyConfig');
  const owner = (config.field('kind').string() ?? '') === 'CiliumClusterwideEnvoyConfig' ? '' : namespace;
  const name = `${owner}/${config.field('name').string() ?? ''}/${raw.field('name').string() ?? ''}`;
  return { name, priority: raw.field('priority').integer() ?? 0 };
}

/** The kind of the L7 rules: `dns`, `http`, `kafka`, an l7proto, `` (given, but empty), or undefined (none). */
function readRules(raw: Raw, ports: readonly PortSpec[], context: PortContext): string | undefined {
  if (raw.missing) return undefined;
  raw.object();
  const http = raw.field('http').list();
  const kafka = raw.field('kafka').list();
  const dns = raw.field('dns').list();
  const l7 = raw.field('l7').list();
  const proto = raw.field('l7proto').string() ?? '';
  // The agent looks at the name of a protocol only beside rules of some kind.
  if (http === undefined && kafka === undefined && dns === undefined && l7 === undefined) {
    return proto === '' ? undefined : proto;
  }
  if (context.forNodes && context.ingress) {
    raw.fail('l7-in-host-ingress', "L7 rules are not supported for the host's ingress");
  }
  if (context.options.l7Proxy === false) raw.fail('l7-proxy-disabled', 'L7 rules need enable-l7-proxy');
  if (context.ingress && (dns?.length ?? 0) > 0) {
    raw.field('dns').fail('dns-on-ingress', 'DNS rules are for egress only');
  }
  if (context.forNodes && (http?.length ?? 0) + (kafka?.length ?? 0) > 0) {
    raw.fail('l7-in-host-egress', "L7 rules other than DNS are not supported for the host's egress");
  }
  checkL7Ports(raw, ports, (dns?.length ?? 0) > 0);
  if (dns !== undefined && ports.length === 0) raw.field('dns').fail('dns-without-port', 'DNS rules need a port');
  if (l7 !== undefined && proto === '') raw.field('l7').fail('l7-without-l7proto', 'l7 rules need an l7proto');
  const kinds = [http, kafka, dns, proto === '' ? undefined : []].filter((list) => list !== undefined);
  if (kinds.length > 1) raw.fail('two-l7-kinds', 'more than one kind of L7 rules', 'one of http, kafka, dns, l7proto');
  http?.forEach(checkHttp);
  kafka?.forEach(checkKafka);
  dns?.forEach((item) => {
    item.object();
    readDnsMatch(item);
  });
  if (dns !== undefined) return dns.length > 0 ? 'dns' : '';
  if (http !== undefined) return http.length > 0 ? 'http' : '';
  if (kafka !== undefined) return kafka.length > 0 ? 'kafka' : '';
  return proto;
}

function checkL7Ports(raw: Raw, ports: readonly PortSpec[], dns: boolean): void {
  for (const { port, name, endPort, proto } of ports) {
    if (dns && endPort > port) raw.fail('dns-with-port-range', 'DNS rules cannot have a port range');
    if (!dns && proto !== Protocol.TCP) raw.fail('l7-needs-tcp', 'L7 rules other than DNS need protocol TCP');
    if (name === '' && port === 0) raw.fail('l7-with-port-0', 'L7 rules cannot have port 0');
  }
}

function checkHttp(item: Raw): void {
  item.object();
  for (const name of ['path', 'method', 'host']) {
    const pattern = item.field(name).string() ?? '';
    if (isRe2(pattern)) continue;
    item.field(name).fail('bad-regex', `${JSON.stringify(pattern)} is not a regular expression`);
  }
}

const KAFKA_ROLES = ['', 'produce', 'consume'];

/** Requests of the Kafka protocol that a rule may name, by number from 0. */
const KAFKA_API_KEYS: readonly string[] =
  `produce fetch offsets metadata leaderandisr stopreplica updatemetadata controlledshutdown offsetcommit offsetfetch findcoordinator
  joingroup heartbeat leavegroup syncgroup describegroups listgroups saslhandshake apiversions createtopics deletetopics deleterecords
  initproducerid offsetforleaderepoch addpartitionstotxn addoffsetstotxn endtxn writetxnmarkers txnoffsetcommit describeacls createacls
  deleteacls describeconfigs alterconfigs`.split(/\s+/);

const isKafkaVersion = (text: string): boolean => /^\+?\d+$/.test(text) && Number(text) <= 0x7fff;

function checkKafka(item: Raw): void {
  item.object();
  const role = (item.field('role').string() ?? '').toLowerCase();
  const apiKey = (item.field('apiKey').string() ?? '').toLowerCase();
  const topic = item.field('topic').string() ?? '';
  const version = item.field('apiVersion').string() ?? '';
  const allowed =
    'role produce or consume, or an apiKey of the protocol; a topic of up to 255 letters, digits, - _ .; an apiVersion 0..32767';
  const bad =
    !KAFKA_ROLES.includes(role) ||
    (role !== '' && apiKey !== '') ||
    (apiKey !== '' && !KAFKA_API_KEYS.includes(apiKey)) ||
    topic.length > 255 ||
    // The agent's pattern lets a backslash pass.
    !/^[\w.\\-]*$/.test(topic) ||
    (version !== '' && !isKafkaVersion(version));
  if (bad) item.fail('bad-kafka-field', 'a field of the Kafka rule is wrong', allowed);
}

/** Reads `icmps`; undefined where it is absent. @throws LbtwinError `unknown-icmp-family` and others */
export function readIcmps(raw: Raw): IcmpSpec[] | undefined {
  return raw.list()?.flatMap((item) => {
    item.object();
    const fields = item.field('fields').list() ?? [];
    if (fields.length > MAX_PORTS) {
      item
        .field('fields')
        .fail('more-than-40-icmp-fields', `${fields.length} fields in one list`, `up to ${MAX_PORTS}`);
    }
    return fields.map(readIcmpField);
  });
}

function readIcmpField(field: Raw): IcmpSpec {
  field.object();
  const family = field.field('family').string() ?? '';
  if (family !== '' && !ICMP_FAMILIES.includes(family as IcmpFamily)) {
    field
      .field('family')
      .fail('unknown-icmp-family', `${JSON.stringify(family)} is not a family`, ICMP_FAMILIES.join(', '));
  }
  const type = field.field('type').stringOrInteger();
  if (type === undefined) {
    // The agent does not survive this; the API server never lets it through.
    return field.field('type').fail('panic', 'an ICMP field without type');
  }
  const number = typeIn(field, (family === '' ? 'IPv4' : family) as IcmpFamily, type);
  return {
    proto: family === 'IPv6' ? Protocol.ICMPV6 : Protocol.ICMP,
    // Read as a port: below 0 it is no number (0, every type), above 65535 the largest.
    type: Math.min(Math.max(number, 0), 65535),
    path: field.path,
  };
}

function typeIn(field: Raw, family: IcmpFamily, type: string | number): number {
  try {
    return icmpTypeNumber(family, type);
  } catch (error) {
    throw error instanceof LbtwinError ? error.under(...field.field('type').path) : error;
  }
}
