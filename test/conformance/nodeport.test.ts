import { HookContext } from '../../src/datapath/context.ts';
import type { Hook } from '../../src/datapath/hooks.ts';
import { type Verdict, verdictOf } from '../../src/datapath/verdict.ts';
import { Act } from '../../src/datapath/context.ts';
import { parseCidr } from '../../src/index.ts';
import { formatMac, parseMac } from '../../src/node/index.ts';
import { conformance, exactKeys } from './harness.ts';
import { asSet, fingerprint, mapContents } from './nodeport-maps.ts';
import {
  type BackendRecord,
  type ConfigRecord,
  type EndpointRecord,
  type NodeRecord,
  optionsOf,
  RecordedNode,
  type RouteRecord,
  type ServiceRecord,
  type SnatKeyRecord,
  type SnatRecord,
  START,
  TUNNEL_IFINDEX,
} from './nodeport-node.ts';
import { fromHex, toHex } from './packets.ts';

interface Operation {
  op: string;
  [field: string]: unknown;
}
interface PacketRecord {
  hook: 'xdp' | 'from-netdev' | 'to-netdev' | 'from-overlay';
  at: number;
  note?: string;
  before?: Operation[];
  continues?: boolean;
  xferFlags?: number;
  tunnelIn?: { vni: number; remote: string; options: string };
  in: { hex: string; etherType?: string; [parsed: string]: unknown };
  out?: 'unchanged' | { hex: string; [parsed: string]: unknown };
  random?: number[];
  fib?: { lookups: number; [field: string]: unknown };
  [field: string]: unknown;
}
interface Scenario {
  name: string;
  description: string;
  role: string;
  config: ConfigRecord;
  node: NodeRecord;
  services: ServiceRecord[];
  backends: BackendRecord[];
  maglevLuts: { revNatId: number; family: number; backendIds: number[] }[];
  sourceRanges?: { revNatId: number; cidr: string }[];
  affinityMatch?: { revNatId: number; backendId: number }[];
  initialSnat?: SnatRecord[];
  notes?: string[];
  packets: PacketRecord[];
}

const HOOKS: Readonly<Record<string, Hook>> = {
  xdp: 'xdp',
  'from-netdev': 'fromNetdev',
  'to-netdev': 'toNetdev',
  'from-overlay': 'fromOverlay',
};

/** Flags that go with every tunnel key (no UDP checksum). */
const TUNNEL_FLAGS = 2;

/** Replays one scenario: the record as the twin would have written it. */
function replay(scenario: Scenario): unknown {
  const { options, echo } = optionsOf(scenario.config);
  const recorded = new RecordedNode(options, scenario.node);
  const run = new Replay(recorded);
  const node = recorded.echo();
  const services = scenario.services.map((service) => recorded.putService(service));
  const backends = scenario.backends.map((backend) => recorded.putBackend(backend));
  scenario.maglevLuts.forEach((table) => recorded.putMaglev(table));
  scenario.sourceRanges?.forEach((range) => run.addSourceRange(range));
  scenario.affinityMatch?.forEach(({ revNatId, backendId }) => recorded.node.lb.affinityMatch.add(revNatId, backendId));
  scenario.initialSnat?.forEach((entry) => recorded.putSnat(entry));
  if (!['lb', 'backend'].includes(scenario.role)) throw new Error(`role ${scenario.role}`);
  const burst = /^Packets 2\.\.(\d+) of the burst were run but are not recorded\.$/.exec(scenario.notes?.[0] ?? '');
  const optional = {
    ...(scenario.sourceRanges && { sourceRanges: scenario.sourceRanges.map((r) => pick(r, ['revNatId', 'cidr'])) }),
    ...(scenario.affinityMatch && {
      affinityMatch: scenario.affinityMatch.map((m) => pick(m, ['revNatId', 'backendId'])),
    }),
    ...(scenario.initialSnat && { initialSnat: asSet(scenario.initialSnat, mapContents(recorded.node, 0)['snat']!) }),
    ...(scenario.notes && { notes: scenario.notes }),
  };
  return {
    name: scenario.name,
    description: scenario.description,
    role: scenario.role,
    config: echo,
    node: {
      ...node,
      endpoints: asSet(scenario.node.endpoints, node.endpoints),
      ipcache: asSet(scenario.node.ipcache, node.ipcache),
      routes: asSet(scenario.node.routes, node.routes),
    },
    services,
    backends,
    maglevLuts: scenario.maglevLuts.map((table) => pick(table, ['revNatId', 'family', 'backendIds'])),
    ...optional,
    packets: scenario.packets.map((packet, index) => {
      const record = run.packet(packet);
      if (index === 0 && burst !== null) for (let i = 2; i <= Number(burst[1]); i++) run.repeat(packet);
      return record;
    }),
  };
}

function pick<T extends object>(record: T, keys: readonly (keyof T)[]): Partial<T> {
  return Object.fromEntries(keys.filter((key) => key in record).map((key) => [key, record[key]])) as Partial<T>;
}

class Replay {
  readonly #recorded: RecordedNode;
  readonly #context = new HookContext();
  #before: Record<string, string> | undefined = undefined;

  constructor(recorded: RecordedNode) {
    this.#recorded = recorded;
  }

  addSourceRange({ revNatId, cidr }: { revNatId: number; cidr: string }): void {
    const parsed = parseCidr(cidr);
    this.#recorded.node.lb.of(parsed.address.family).sourceRanges.add({ revNatIndex: revNatId, cidr: parsed });
  }

  /** The Ethernet header of an incoming frame: from the gateway to the node, unless it leaves the node. */
  #frame(packet: PacketRecord): Uint8Array {
    const l3 = fromHex(packet.in.hex);
    const type = packet.in.etherType ?? (l3.length > 0 && l3[0]! >>> 4 === 6 ? '0x86dd' : '0x0800');
    const macs = [this.#recorded.mac, this.#recorded.gatewayMac];
    if (packet.hook === 'to-netdev') macs.reverse();
    return fromHex(macs.join('').replaceAll(':', '') + type.slice(2) + packet.in.hex);
  }

  #run(packet: PacketRecord, drawn: number[]): { verdict: Verdict; frame: Uint8Array; act: number } {
    const { node } = this.#recorded;
    const frame = this.#frame(packet);
    const offered = packet.random ?? [];
    const random = (): number => {
      const word = offered[drawn.length] ?? 0;
      drawn.push(word);
      return word;
    };
    const act = node.process(
      HOOKS[packet.hook]!,
      frame,
      {
        now: START + packet.at,
        random,
        ifindex: packet.hook === 'from-overlay' ? TUNNEL_IFINDEX : node.addresses.ifindex,
        transfer: packet.xferFlags ?? 0,
        tunnelOptions: fromHex(packet.tunnelIn?.options ?? ''),
      },
      this.#context,
    );
    return { verdict: verdictOf(this.#context, act), frame, act };
  }

  repeat(packet: PacketRecord): void {
    this.#run(packet, []);
  }

  packet(packet: PacketRecord): unknown {
    const { node } = this.#recorded;
    if (HOOKS[packet.hook] === undefined) throw new Error(`hook ${packet.hook}`);
    const before = packet.before?.map((operation) => this.#operate(operation));
    const started = this.#before ?? {};
    node.metrics.clear();
    const drawn: number[] = [];
    const { verdict, frame, act } = this.#run(packet, drawn);
    const contents = mapContents(node, packet.at);
    const after = fingerprint(mapContents(node, 0));
    const changed = Object.keys(contents).filter((map) =>
      this.#before === undefined && (map === 'ct' || map === 'snat')
        ? true
        : after[map] !== (started[map] ?? JSON.stringify([])),
    );
    this.#before = after;
    return {
      ...pick(packet, ['hook', 'at', 'note', 'continues', 'xferFlags']),
      ...(before && { before }),
      ...(packet.tunnelIn && { tunnelIn: pick(packet.tunnelIn, ['vni', 'remote', 'options']) }),
      in: { ...packet.in, hex: toHex(frame.subarray(14)) },
      verdict: verdict.action,
      ...this.#decisions(packet, verdict, frame, act),
      ...(drawn.length > 0 && { random: drawn }),
      ...this.#metrics(),
      ...Object.fromEntries(changed.map((map) => [map, asSet(packet[map], contents[map]!)])),
    };
  }

  #decisions(packet: PacketRecord, verdict: Verdict, frame: Uint8Array, act: number): object {
    const { drop, redirect, tunnel, route } = verdict;
    const out = verdict.frame;
    const macs = (bytes: Uint8Array): string => toHex(bytes.subarray(0, 12));
    const parsed = typeof packet.out === 'object' ? packet.out : {};
    return {
      ...(drop && { dropReason: drop }),
      ...(redirect && { redirect }),
      ...(verdict.delivered && { delivered: 'endpoint-policy' }),
      ...(verdict.mark !== 0 && { markOut: `0x${verdict.mark.toString(16)}` }),
      ...(verdict.transfer !== undefined && { xferOut: verdict.transfer }),
      ...(tunnel && {
        tunnelOut: { vni: tunnel.vni, remote: tunnel.remote, flags: TUNNEL_FLAGS, options: toHex(tunnel.options) },
      }),
      ...(route && {
        fib: {
          src: route.source,
          dst: route.destination,
          result: route.result,
          ifindex: route.ifindex,
          // For reading: how often was asked.
          ...(packet.fib && { lookups: packet.fib.lookups }),
        },
      }),
      ...(out &&
        act >= Act.OK && {
          out:
            toHex(out.subarray(14)) === toHex(frame.subarray(14))
              ? 'unchanged'
              : { ...parsed, hex: toHex(out.subarray(14)) },
        }),
      ...(out && macs(out) !== macs(frame) && { l2: { dst: macAt(out, 0), src: macAt(out, 6) } }),
    };
  }

  #metrics(): object {
    const entries = [...this.#recorded.node.metrics.entries()];
    if (entries.length === 0) return {};
    return {
      metrics: entries.map(({ name, direction, packets, bytes }) => ({ reason: name, direction, packets, bytes })),
    };
  }

  #operate(operation: Operation): Operation {
    const recorded = this.#recorded;
    const { lb } = recorded.node;
    const { op, ...fields } = operation;
    switch (op) {
      case 'putService':
        return { op, ...recorded.putService(fields as unknown as ServiceRecord) };
      case 'putBackend':
        return { op, ...recorded.putBackend(fields as unknown as BackendRecord) };
      case 'setBackendState':
        exactKeys(fields, ['id', 'state']);
        recorded.setBackendState(fields['id'] as number, fields['state'] as string);
        return operation;
      case 'deleteBackend':
        exactKeys(fields, ['id']);
        lb.v4.backends.delete(fields['id'] as number);
        lb.v6.backends.delete(fields['id'] as number);
        return operation;
      case 'putMaglevLut':
        exactKeys(fields, ['revNatId', 'family', 'backendIds']);
        recorded.putMaglev(fields as unknown as Scenario['maglevLuts'][number]);
        return operation;
      case 'setRoute':
        exactKeys(fields, ['dst', 'result', 'ifindex', 'dmac', 'smac']);
        recorded.setRoute(fields as unknown as RouteRecord);
        return operation;
      case 'putEndpoint':
        exactKeys(fields, ['address', 'endpointId', 'ifindex', 'mac', 'nodeMac', 'host']);
        recorded.putEndpoint(fields as unknown as EndpointRecord);
        return operation;
      case 'deleteSnatEntry':
        exactKeys(fields, ['key']);
        recorded.deleteSnat(fields['key'] as SnatKeyRecord);
        return operation;
      case 'deleteCtEntry':
        exactKeys(fields, ['key']);
        recorded.deleteCt(fields['key'] as SnatKeyRecord);
        return operation;
      case 'putAffinityMatch':
        exactKeys(fields, ['revNatId', 'backendId']);
        lb.affinityMatch.add(fields['revNatId'] as number, fields['backendId'] as number);
        return operation;
      case 'deleteAffinityMatch':
        exactKeys(fields, ['revNatId', 'backendId']);
        lb.affinityMatch.delete({
          revNatIndex: fields['revNatId'] as number,
          backendId: fields['backendId'] as number,
        });
        return operation;
      case 'deleteReverseNat':
        exactKeys(fields, ['revNatId']);
        lb.v4.reverseNat.delete(fields['revNatId'] as number);
        lb.v6.reverseNat.delete(fields['revNatId'] as number);
        return operation;
      default:
        throw new Error(`operation ${op}`);
    }
  }
}

function macAt(frame: Uint8Array, at: number): string {
  const text = toHex(frame.subarray(at, at + 6));
  return formatMac(parseMac(text.replace(/..(?!$)/g, '$&:')));
}

conformance<{ scenarios: Scenario[] }, Scenario>(
  'nodeport',
  (doc) => doc.scenarios,
  (scenario) => replay(scenario),
);
