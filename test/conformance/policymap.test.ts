import {
  checkPolicy,
  PolicyDirection,
  directionName,
  matchName,
  MatchType,
  type PolicyDatapathConfig,
  PolicyMap,
  PolicyStats,
  policyPacket,
  policyResult,
  prefixOf,
  verdictReason,
} from '../../src/policy/index.ts';
import { conformance } from './harness.ts';

interface Entry {
  dir: string;
  id: number;
  proto: number;
  port: number;
  portPrefix: number;
  deny: boolean;
  proxyPort: number;
  proxyPrio: number;
  auth: number;
  authExplicit: boolean;
}
interface Packet {
  dir: string;
  local: number;
  remote: number;
  ip: number;
  proto: number;
  dport: number;
  icmp?: [number, number];
  untrackedFragment?: boolean;
  l4Truncated?: boolean;
}
interface Case {
  name: string;
  entries: Entry[];
  packets: (Packet & { expect: unknown })[];
  config: { icmpRules: boolean; allowIcmpFragNeeded: boolean; auditMode: boolean; encap: boolean };
  accounting?: unknown[];
}

const ENDPOINT = 4242;
const PACKET_BYTES = 96;

const directionOf = (name: string): PolicyDirection => {
  if (name !== 'ingress' && name !== 'egress') throw new Error(`direction ${name}`);
  return name === 'egress' ? PolicyDirection.EGRESS : PolicyDirection.INGRESS;
};

function onlyKeys(what: string, value: object, keys: readonly string[]): void {
  const unknown = Object.keys(value).filter((key) => !keys.includes(key));
  if (unknown.length > 0) throw new Error(`${what}: unknown fields ${unknown.join(', ')}`);
}

const PACKET_KEYS = [
  'dir',
  'local',
  'remote',
  'ip',
  'proto',
  'dport',
  'icmp',
  'untrackedFragment',
  'l4Truncated',
  'expect',
];

function every(what: string, value: object, type: string, keys: readonly string[]): void {
  for (const key of keys) {
    const found = (value as Record<string, unknown>)[key];
    if (typeof found !== type) throw new Error(`${what}: ${key} is ${JSON.stringify(found)}, not a ${type}`);
  }
}

/** Inputs that do not matter to a verdict have to be there all the same. */
function checkShape({ name, config, entries, packets }: Case): void {
  every('case', { name }, 'string', ['name']);
  const switches = ['icmpRules', 'allowIcmpFragNeeded', 'auditMode', 'encap'];
  onlyKeys('config', config, switches);
  every('config', config, 'boolean', switches);
  for (const entry of entries) {
    every('entry', entry, 'number', ['id', 'proto', 'port', 'portPrefix', 'proxyPort', 'proxyPrio', 'auth']);
    every('entry', entry, 'boolean', ['deny', 'authExplicit']);
  }
  for (const packet of packets) {
    every('packet', packet, 'number', ['local', 'remote', 'ip', 'proto', 'dport']);
    if (packet.ip !== 4 && packet.ip !== 6) throw new Error(`packet: ip ${packet.ip}`);
    const { icmp } = packet;
    const whole = icmp === undefined || (icmp.length === 2 && icmp.every((value) => Number.isInteger(value)));
    if (!whole) throw new Error(`packet: icmp ${JSON.stringify(icmp)}`);
  }
}

conformance<{ cases: Case[] }, Case>(
  'policymap',
  (doc) => doc.cases,
  (testCase) => {
    checkShape(testCase);
    const { icmpRules, allowIcmpFragNeeded, auditMode, encap } = testCase.config;
    const config: PolicyDatapathConfig = { icmpRules, allowIcmpFragNeeded, auditMode, tunnelPort: encap ? 8472 : 0 };
    const map = new PolicyMap();
    for (const entry of testCase.entries) {
      const {
        dir,
        id: identity,
        proto,
        port,
        portPrefix,
        deny,
        proxyPort,
        proxyPrio: priority,
        auth,
        authExplicit,
      } = entry;
      map.set(
        { direction: directionOf(dir), identity, proto, port, portPrefix },
        { deny, proxyPort, priority, auth, authExplicit },
      );
    }
    const result = policyResult();
    const stats = new PolicyStats();
    const packets = testCase.packets.map((packet) => {
      onlyKeys('packet', packet, PACKET_KEYS);
      const { expect: _, ...input } = packet;
      const truncatedBytes = input.ip === 4 ? 34 : 54;
      const code = checkPolicy(
        map,
        policyPacket({
          direction: directionOf(input.dir),
          endpoint: ENDPOINT,
          local: input.local,
          remote: input.remote,
          family: input.ip as 4 | 6,
          proto: input.proto,
          dport: input.dport,
          icmpType: input.icmp?.[0] ?? -1,
          icmpCode: input.icmp?.[1] ?? -1,
          untrackedFragment: input.untrackedFragment === true,
          l4Truncated: input.l4Truncated === true,
        }),
        config,
        result,
        stats,
        input.l4Truncated === true ? truncatedBytes : PACKET_BYTES,
      );
      return {
        ...input,
        expect: {
          ret: code,
          reason: verdictReason(code),
          proxyPort: result.proxyPort,
          match: result.match === MatchType.NONE ? null : matchName(result.match),
          audited: result.audited ?? null,
          extErr: result.authType,
        },
      };
    });
    const entries = testCase.entries.map((given) => {
      const stored = map
        .entries()
        .filter(({ key }) => key.identity === given.id && directionName(key.direction) === given.dir);
      const found = stored.find(
        ({ key }) => key.proto === given.proto && key.port === given.port && key.portPrefix === given.portPrefix,
      );
      if (found === undefined) throw new Error(`entry ${JSON.stringify(given)} is not in the map`);
      const { key, entry } = found;
      return {
        dir: directionName(key.direction),
        id: key.identity,
        proto: key.proto,
        port: key.port,
        portPrefix: key.portPrefix,
        deny: entry.deny,
        proxyPort: entry.proxyPort,
        proxyPrio: entry.priority,
        auth: entry.auth,
        authExplicit: entry.authExplicit,
      };
    });
    // The recording lists egress before ingress.
    const counted = stats.rows().sort((a, b) => b.key.direction - a.key.direction);
    const accounting = counted.map(({ endpoint, key, packets: count, bytes }) => ({
      endpoint,
      prefixLen: prefixOf(key),
      id: key.identity,
      dir: directionName(key.direction),
      proto: key.proto,
      port: key.port,
      packets: count,
      bytes,
    }));
    const { name, config: given } = testCase;
    return { name, entries, packets, config: given, ...('accounting' in testCase ? { accounting } : {}) };
  },
);
