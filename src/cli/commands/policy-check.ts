import { LbtwinError } from '../../errors.ts';
import { formatAddress, parseAddress, Protocol } from '../../net/index.ts';
import type { PolicyCheck, PolicyCluster, PolicyParty, PolicyTraffic } from '../../policy/index.ts';
import { formatPolicyCheck, policyCheckJson } from '../../report/policy.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';
import { parseIcmp, parseParty, parsePortText, policyOptions, portOfPod, readPolicyCluster } from '../policy.ts';

/** Who is asked for, and how the packet gets there. */
interface Target {
  readonly party: PolicyParty;
  readonly traffic: PolicyTraffic;
  /** What the service step did. */
  readonly note?: string;
}

function icmpTraffic(args: Args): PolicyTraffic | undefined {
  const v4 = args.string('icmp');
  const v6 = args.string('icmpv6');
  if (v4 !== undefined && v6 !== undefined) throw usageError('--icmp and --icmpv6 exclude each other');
  if (v4 !== undefined) return parseIcmp(v4, Protocol.ICMP);
  return v6 === undefined ? undefined : parseIcmp(v6, Protocol.ICMPV6);
}

/** A service by name or by one of its addresses. */
function serviceOf(text: string, cluster: PolicyCluster): string | undefined {
  if (text.startsWith('service:')) {
    const name = text.slice('service:'.length);
    return name.includes('/') ? name : `default/${name}`;
  }
  if (!text.startsWith('ip:')) return undefined;
  const address = formatAddress(parseAddress(text.slice(3)));
  for (const [name, service] of cluster.objects.services) {
    if (service.virtualAddresses.some((one) => formatAddress(one) === address)) return name;
  }
  return undefined;
}

function serviceTargets(name: string, args: Args, cluster: PolicyCluster): Target[] {
  const pods = cluster.podsOfService(name);
  const service = cluster.objects.services.get(name)!;
  if (icmpTraffic(args) !== undefined) throw usageError('a service does not answer ICMP', '--port PORT/PROTO');
  const wanted = parsePortText(args.required('port'));
  const port = service.ports.find(
    (one) => one.proto === wanted.proto && (one.port === wanted.port || one.name === wanted.port),
  );
  if (port === undefined) {
    throw new LbtwinError('unknown-service-port', `service ${name} has no port ${args.string('port')}`, {
      allowed: service.ports
        .map((one) => (one.name === '' ? String(one.port) : `${one.port} (${one.name})`))
        .join(', '),
    });
  }
  if (pods.length === 0) {
    throw new LbtwinError('no-backend', `service ${name} selects no pod of these objects`, {
      allowed: 'Pod objects that the selector of the service selects',
    });
  }
  return pods.map((pod) => {
    const number = portOfPod(pod, port.targetPort, port.proto);
    return {
      party: cluster.pod(`${pod.namespace}/${pod.name}`),
      traffic: { proto: port.proto, port: number },
      note: `service ${name} port ${port.port} → pod ${pod.namespace}/${pod.name} port ${number}: policy sees the pod, never the service`,
    };
  });
}

function targetsOf(args: Args, cluster: PolicyCluster): Target[] {
  const text = args.required('to');
  const service = serviceOf(text, cluster);
  if (service !== undefined) return serviceTargets(service, args, cluster);
  const party = parseParty(text, cluster);
  const icmp = icmpTraffic(args);
  if (icmp !== undefined) {
    if (args.string('port') !== undefined) throw usageError('--port and --icmp exclude each other');
    return [{ party, traffic: icmp }];
  }
  const { port, proto } = parsePortText(args.required('port'));
  const pod = party.kind === 'pod' ? cluster.objects.pods.get(party.name) : undefined;
  if (typeof port === 'string' && pod === undefined)
    throw usageError(`${port}: only pods have named ports`, 'a number');
  return [{ party, traffic: { proto, port: pod === undefined ? (port as number) : portOfPod(pod, port, proto) } }];
}

const command: Command = {
  usage: [
    '--from WHO --to WHO --port PORT[/PROTO] -f FILE... [options]',
    '--from WHO --to WHO --icmp TYPE -f FILE... [options]',
  ],
  description: `Answers whether network policy lets a connection through, on both sides, and why: every rule that was considered, which one
decided, and what would have to change. WHO is pod:NS/NAME, node:NAME, ip:ADDRESS or entity:NAME; the destination may also be
service:NS/NAME, which stands for each of its pods. The first packet of a new connection is asked about: replies are never
checked.`,
  options: {
    from: { type: 'string', value: 'WHO', help: 'who opens the connection' },
    to: { type: 'string', value: 'WHO', help: 'who it is for' },
    port: {
      type: 'string',
      value: 'PORT[/PROTO]',
      help: 'destination port, a number or a name (default protocol: TCP)',
    },
    icmp: { type: 'string', value: 'TYPE[/CODE]', help: 'an ICMP message instead of a port' },
    icmpv6: { type: 'string', value: 'TYPE[/CODE]', help: 'an ICMPv6 message instead of a port' },
    ...policyOptions,
    ...outputOption,
  },
  examples: [
    ['lbtwin policy check --from pod:shop/web --to pod:shop/db --port 5432/TCP -f examples/policy.yaml', 'pod to pod'],
    [
      'lbtwin policy check --from entity:world --to service:shop/web --port 80 -f examples/policy.yaml',
      'the outside to a service',
    ],
    ['lbtwin policy check --from pod:shop/web --to ip:192.0.2.1 --icmp 8 -f examples/policy.yaml', 'may it ping?'],
  ],
  exits: ['allowed (to every backend, for a service)', 'denied, or undecided'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    args.required('from');
    args.required('to');
    const { cluster, origin } = await readPolicyCluster(args, io);
    const from = args.parsed('from', (text) => parseParty(text, cluster))!;
    const targets = targetsOf(args, cluster);
    const checks: [Target, PolicyCheck][] = targets.map((target) => [
      target,
      cluster.check(from, target.party, target.traffic),
    ]);
    if (output === 'json') {
      const answers = checks.map(([{ note }, check]) => ({
        ...(policyCheckJson(check, cluster) as object),
        ...(note === undefined ? {} : { service: note }),
      }));
      io.write(`${JSON.stringify({ configuration: origin, checks: answers }, undefined, 2)}\n`);
    } else {
      const texts = checks.map(
        ([{ note }, check]) => `${note === undefined ? '' : `${note}\n`}${formatPolicyCheck(check, cluster)}`,
      );
      io.write(`${origin}\n\n${texts.join('\n')}`);
    }
    return checks.every(([, { allowed, undecided }]) => allowed && !undecided) ? Exit.OK : Exit.NO;
  },
};

export default command;
