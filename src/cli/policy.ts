import { LbtwinError } from '../errors.ts';
import { locateError, type ObjectBatch } from '../k8s/read.ts';
import { parseAddress, parseProtocol, Protocol, tryParseAddress } from '../net/index.ts';
import {
  type ClusterPod,
  type DnsView,
  PARTY_ENTITIES,
  PolicyCluster,
  policyConfigOf,
  policyDatapathOf,
  type PolicyParty,
  type PolicyTraffic,
} from '../policy/index.ts';
import { readYaml } from '../yaml/index.ts';
import { type Args, type OptionSpecs, usageError } from './args.ts';
import { readConfig } from './config.ts';
import { readText } from './files.ts';
import { readInput } from './input.ts';
import type { Io } from './io.ts';
import { configOptions, inputOptions } from './options.ts';
import { readStored } from './stored.ts';

/** Options of every policy command; read with `readPolicyCluster()`. */
export const policyOptions: OptionSpecs = {
  ...inputOptions,
  dns: {
    type: 'string',
    value: 'FILE',
    help: 'what DNS answered, for toFQDNs rules: a mapping from names to lists of addresses (YAML or JSON)',
  },
  ...configOptions,
  'strict-inputs': { type: 'boolean', help: 'refuse to assume anything that no object says' },
};

export interface PolicyInput {
  readonly cluster: PolicyCluster;
  /** The objects as read, with their places. */
  readonly batch: ObjectBatch;
  /** Says which configuration the answer is for. */
  readonly origin: string;
}

/** The cluster of `-f`, with its configuration. What is refused or assumed is told on standard error. */
export async function readPolicyCluster(args: Args, io: Io): Promise<PolicyInput> {
  return policyClusterOf(await readInput(args, io), args, io);
}

/** @throws LbtwinError `assumption` under --strict-inputs */
export async function policyClusterOf(batch: ObjectBatch, args: Args, io: Io): Promise<PolicyInput> {
  const { config, origin } = await readConfig(args, io, batch);
  const dnsFile = args.string('dns');
  const policy = policyConfigOf(config);
  const stored = await readStored(batch, args, io);
  const cluster = new PolicyCluster(stored, {
    config: policy,
    datapath: policyDatapathOf(config),
    ...(dnsFile === undefined ? {} : { dns: readDns(dnsFile, await readText(dnsFile, io)) }),
  });
  for (const { object, error } of cluster.refused) {
    const raw = batch.objects.find((one) => one === object)!;
    const located = locateError(error, raw, batch.origins.get(raw)!);
    if (args.flag('strict')) throw located;
    io.warn(`lbtwin: refused: ${located.message}\n`);
  }
  if (args.flag('strict-inputs') && cluster.assumptions.length > 0) {
    throw new LbtwinError('assumption', cluster.assumptions.join(' '), { allowed: 'objects that say so' });
  }
  for (const assumption of cluster.assumptions) io.warn(`lbtwin: assumed: ${assumption}\n`);
  return { cluster, batch, origin };
}

function readDns(file: string, text: string): DnsView {
  const bad = (reason: string): LbtwinError =>
    new LbtwinError('invalid-dns-view', `${file}: ${reason}`, { allowed: 'NAME: [ADDRESS, …]' });
  const value = readYaml(text)[0]?.value;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad('no mapping from names to addresses');
  return new Map(
    Object.entries(value).map(([name, addresses]) => {
      const list: unknown[] = Array.isArray(addresses) ? addresses : [addresses];
      return [
        name,
        list.map((address) => {
          const parsed = typeof address === 'string' ? tryParseAddress(address) : undefined;
          if (parsed === undefined) throw bad(`${name}: ${JSON.stringify(address)} is not an address`);
          return parsed;
        }),
      ];
    }),
  );
}

const PARTY_FORMS = 'pod:NS/NAME, node:NAME, ip:ADDRESS, entity:NAME';

/** `pod:NS/A`, `node:N`, `ip:ADDRESS`, `entity:NAME`. @throws LbtwinError for what the cluster does not have */
export function parseParty(text: string, cluster: PolicyCluster): PolicyParty {
  const colon = text.indexOf(':');
  const name = text.slice(colon + 1);
  switch (text.slice(0, Math.max(colon, 0))) {
    case 'pod':
      return cluster.pod(name.includes('/') ? name : `default/${name}`);
    case 'node':
      return cluster.node(name);
    case 'ip':
      return cluster.partyAt(parseAddress(name));
    case 'entity':
      if (!PARTY_ENTITIES.includes(name)) throw usageError(`${text}: no such entity`, PARTY_ENTITIES.join(', '));
      return { kind: 'entity', name };
    default:
      throw usageError(`${JSON.stringify(text)} names nobody`, PARTY_FORMS);
  }
}

/** `8080/TCP`; without `/PROTO`, TCP. A name is the name of a container port. */
export function parsePortText(text: string): { port: number | string; proto: number } {
  const slash = text.indexOf('/');
  const proto = slash < 0 ? Protocol.TCP : parseProtocol(text.slice(slash + 1));
  const port = slash < 0 ? text : text.slice(0, slash);
  if (/^\d+$/.test(port)) {
    if (Number(port) > 65535) throw usageError(`${JSON.stringify(port)} is no port`, '0..65535');
    return { port: Number(port), proto };
  }
  if (port === '') throw usageError(`${JSON.stringify(text)} is no port`, 'PORT/PROTO');
  return { port, proto };
}

/** `8` or `3/4`: ICMP type and code. */
export function parseIcmp(text: string, proto: number): PolicyTraffic {
  const match = /^(\d{1,3})(?:\/(\d{1,3}))?$/.exec(text);
  if (match === null) throw usageError(`${JSON.stringify(text)} is no ICMP type`, 'TYPE or TYPE/CODE, each 0..255');
  return { proto, icmpType: Number(match[1]), ...(match[2] === undefined ? {} : { icmpCode: Number(match[2]) }) };
}

/** The number behind a port of a pod: itself, or what the pod calls by that name. */
export function portOfPod(pod: ClusterPod, port: number | string, proto: number): number {
  if (typeof port === 'number') return port;
  const found = pod.namedPorts.find((one) => one.name === port && one.proto === proto);
  if (found !== undefined) return found.port;
  const names = pod.namedPorts.map(({ name }) => name).join(', ');
  throw new LbtwinError('unknown-named-port', `pod ${pod.namespace}/${pod.name} has no port named ${port}`, {
    allowed: names === '' ? 'a number' : `a number, ${names}`,
  });
}
