import type { Frontend } from '../k8s/model.ts';
import type { FlowAnswer, FlowQuestion, FlowView } from '../k8s/flow-question.ts';
import type { Backend } from '../lb/service.ts';
import { formatAddress } from '../net/address.ts';
import { formatCidr } from '../net/cidr.ts';
import { protocolName } from '../net/protocol.ts';

const hex = (word: number): string => `0x${word.toString(16).padStart(8, '0')}`;

const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

/** The rules behind one node's answer, in plain words, one line each. */
export function explainView(answer: FlowAnswer, question: FlowQuestion, view: FlowView): string[] {
  switch (view.outcome) {
    case 'source-range':
      return [sourceRangeLine(answer, question), 'drop reason "not in source range" (-177)'];
    case 'untranslated':
      return [untranslatedLine(answer), 'lbtwin trace follows the packet from there'];
    case 'not-exposed':
      return ['its annotation service.cilium.io/node or node-selector names other nodes'];
    case 'not-written':
      return [view.error ?? 'its entry is refused', 'what an earlier update wrote stays in the maps, if there was one'];
    case 'proxy':
      return ['a CiliumEnvoyConfig redirects this port of the service to the proxy'];
    case 'no-backend':
      return noBackendLines(answer, view);
    default:
      return [...candidateLines(answer, view), ...pickLines(answer, question, view)];
  }
}

const untranslatedLine = ({ frontend, serviceRow }: FlowAnswer): string =>
  frontend!.type === 'ExternalIPs' && serviceRow!.extPolicy !== serviceRow!.intPolicy
    ? 'external IPs with exactly one Local policy have no entry for clients inside'
    : `${frontend!.type === 'HostPort' ? 'hostPorts' : 'external IPs'} are translated at a socket only if the address is the client's own host's`;

function sourceRangeLine({ serviceRow }: FlowAnswer, question: FlowQuestion): string {
  const ranges = serviceRow!.sourceRanges.map(formatCidr).join(', ');
  const client = formatAddress(question.client);
  return serviceRow!.marks.denyRanges
    ? `loadBalancerSourceRanges ${ranges} refuse (annotation src-ranges-policy: deny), and ${client} is in them`
    : `loadBalancerSourceRanges admit ${ranges} only, and ${client} is not in them`;
}

function localLine(answer: FlowAnswer): string {
  const policy =
    answer.frontend!.type === 'ClusterIP' || answer.frontend!.scope === 1
      ? 'internalTrafficPolicy'
      : 'externalTrafficPolicy';
  return `${policy}: Local lets a node use the backends on itself only`;
}

function noBackendLines(answer: FlowAnswer, view: FlowView): string[] {
  const { backends } = view.service!;
  const all = answer.frontend!.entry.instances.length;
  const zone = closeZone(answer, view);
  const fitting = zone === undefined ? 0 : fittingInstances(answer.frontend!);
  const lines: string[] = [];
  if (answer.frontend!.redirectTo !== undefined && backends.length === 0) {
    lines.push('a local redirect policy takes the backends from its pods on the same node, and none runs here');
  } else if (backends.length > 0) {
    lines.push(`${plural(backends.length, 'backend')} of the service, none of them usable`);
  } else if (answer.localOnly && all > 0) {
    lines.push(localLine(answer), 'and none runs here');
  } else if (fitting > 0) {
    lines.push(
      `the service prefers close endpoints: none of the ${fitting} with this port is hinted for zone ${zone}, and nothing falls back`,
    );
  } else if (all > 0) {
    lines.push(`${plural(all, 'endpoint address', 'endpoint addresses')}, but none with this port, family and zone`);
  } else if (!answer.knowsEndpoints) lines.push('EndpointSlices are missing from the input');
  else lines.push('the service has no usable endpoint');
  lines.push(
    answer.client.kind === 'external'
      ? 'the packet is dropped ("Service backend not found", -158); with service-no-backend-response=reject, the default, an ICMP error goes back'
      : 'connect() fails (EHOSTUNREACH)',
  );
  return lines;
}

/** The zone of the node in question, where the service prefers endpoints of it. */
function closeZone({ serviceRow, inventory }: FlowAnswer, { nodes }: FlowView): string | undefined {
  const zone = nodes.length > 0 ? inventory.nodes.get(nodes[0]!)?.zone : undefined;
  return serviceRow!.marks.preferClose && zone !== '' ? zone : undefined;
}

/** How many backends have the frontend's protocol, family and port. */
const fittingInstances = ({ entry, protocol, portName, address }: Frontend): number =>
  entry.instances.filter(
    ({ backend, portNames }) =>
      backend.protocol === protocol &&
      backend.address.family === address.family &&
      (portName === '' || portNames.includes(portName)),
  ).length;

/** Backends that are not selectable, by why. */
function restText(rest: readonly Backend[]): string {
  const unhealthy = rest.filter(({ healthy }) => !healthy).length;
  const states = ['terminating', 'quarantined', 'maintenance'] as const;
  const counts = states.map(
    (state) => [state, rest.filter((one) => one.healthy && one.state === state).length] as const,
  );
  return [...counts, ['unhealthy', unhealthy] as const]
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}

function candidateLines(answer: FlowAnswer, view: FlowView): string[] {
  const { count, backends, selectable } = view.service!;
  const lines: string[] = [];
  if (answer.client.kind === 'external' && answer.algorithmFrom === 'inside') {
    lines.push(
      'a cluster IP answers inside the cluster only (from outside: dropped, -174), so the client counts as inside',
    );
  }
  if (answer.localOnly) lines.push(localLine(answer));
  else {
    const zone = closeZone(answer, view);
    if (zone !== undefined) lines.push(`the service prefers close endpoints: those hinted for zone ${zone}`);
  }
  const rest = restText(backends.slice(count));
  if (selectable === 'terminating') {
    lines.push(
      `no backend is active: the ${plural(count, 'terminating one')} that still ${count === 1 ? 'serves is' : 'serve are'} used`,
    );
  } else if (rest !== '') {
    lines.push(`${count} of ${backends.length} backends may be picked, the active ones; not ${rest}`);
  } else lines.push(plural(count, 'active backend'));
  return lines;
}

const ALGORITHM_FROM: Readonly<Record<FlowAnswer['algorithmFrom'], string>> = {
  asked: 'asked for on the command line',
  inside: 'clients inside the cluster are served by socket or at the pod, where the choice is always random',
  'frontend-type': 'this kind of frontend has no Maglev table',
  annotation: 'chosen by the annotation service.cilium.io/lb-algorithm',
  configuration: 'chosen by bpf-lb-algorithm',
};

function pickLines(answer: FlowAnswer, question: FlowQuestion, view: FlowView): string[] {
  const { explanation, service } = view;
  const from = ALGORITHM_FROM[answer.algorithmFrom];
  if (service!.algorithm === 'random') {
    const lines = [`random (${from})`];
    if (explanation!.slot !== undefined) {
      lines.push(
        `the drawn word ${explanation!.randomWord} modulo ${service!.count}, plus 1, is slot ${explanation!.slot}`,
      );
    }
    if (answer.client.kind !== 'external')
      lines.push('lbtwin connect asks the socket itself: errno, getpeername(), affinity');
    return lines;
  }
  const { hash, hashedPort, tableSize, tableIndex } = explanation!;
  const lines = [`Maglev, table of ${tableSize} slots (${from})`];
  if (service!.sessionAffinity) {
    lines.push('session affinity: the client port does not count (0 is hashed), so a client keeps its backend');
  }
  if (view.outcome === 'backend') {
    lines.push(
      `hash of ${formatAddress(question.client)}, client port ${hashedPort}, port ${answer.to.port}, ` +
        `${protocolName(answer.to.protocol)} is ${hex(hash!)}`,
      `modulo ${tableSize} that is slot ${tableIndex}, which is this backend's`,
    );
  }
  return lines;
}
