import type { Cluster } from '../cluster/cluster.ts';
import type { ConnectAnswer, LaterAnswer } from '../cluster/connect.ts';
import { isExternalIp, isNodePort, isTwoScopes } from '../lb/layout.ts';
import type { TraceEvent } from '../lb/trace.ts';
import { formatAddress } from '../net/address.ts';
import { type Endpoint, formatEndpoint, formatL4Address } from '../net/endpoint.ts';
import { Protocol } from '../net/protocol.ts';
import type { SocketOutcome } from '../socket/call.ts';
import { indented, percent, textTable } from './table.ts';

/** Pod and node behind an address, as far as the objects tell. */
function whoIs(cluster: Cluster, { address }: Endpoint): [name: string, node: string] {
  const text = formatAddress(address);
  const pod = cluster.topology.podByAddress.get(text);
  if (pod !== undefined) return [`${pod.namespace}/${pod.name}`, pod.node];
  const node = cluster.topology.nodeByAddress.get(text);
  return node === undefined ? ['', ''] : [`node ${node.name}`, ''];
}

const described = (cluster: Cluster, endpoint: Endpoint): string =>
  [formatEndpoint(endpoint), ...whoIs(cluster, endpoint)].filter((part) => part !== '').join('  ');

const OUTCOMES: Readonly<Record<SocketOutcome, string>> = {
  translated: 'the address is that of a service: the call is changed to go to a backend',
  'no-service': 'the address is no service on this node: the call is left as it is',
  'pod-namespace':
    'socket LB serves the host namespace only (bpf-lb-sock-hostns-only): the pod is left to the packet layer',
  protocol: 'socket LB knows TCP and UDP only: the call is left as it is',
  'health-check': "the health checker's own socket is left alone",
  'family-off': 'the address family is switched off: the call is left as it is',
  'foreign-address':
    'an external IP or hostPort that is not an address of this host is not translated at the socket: the packet goes out to the address itself',
  'skip-entry': 'the local redirect policy skips this pod: the call is left as it is',
  'l7-in-pod': 'an L7 service: in a pod the packet layer redirects to the proxy',
  'l7-proxy': "an L7 service: the host's socket goes to the node's proxy",
  'no-backends': 'the service has no usable backend here: the call fails at once, nothing is sent',
  'missing-slot': "the service's slot is missing from the map: the call fails",
  'missing-backend': "the slot's backend is missing from the map: the call fails",
  'no-entry': 'nothing is known about this address',
  'stale-entry': 'the entry of the reverse map was stale and is deleted',
  'no-hook': 'no program runs at this call',
  'address-in-use': 'the address is a service',
  'not-in-use': 'the address is no service',
};

function serviceLine(answer: ConnectAnswer): string {
  const { frontend, service } = answer;
  if (service === undefined) return 'none\n';
  if (frontend === undefined) return `${service.key}\n`;
  const { intPolicy, extPolicy } = frontend.entry.service ?? { intPolicy: 'Cluster', extPolicy: 'Cluster' };
  const internal = service.key.endsWith('/i') || frontend.type === 'ClusterIP';
  const policy = internal ? `internalTrafficPolicy ${intPolicy}` : `externalTrafficPolicy ${extPolicy}`;
  const scope = service.key.endsWith('/i') ? ', the entry for clients inside' : '';
  return `${frontend.entry.name} (${frontend.type}, ${policy}${scope})\n`;
}

/** The rules behind the answer, one line each. */
export function connectWhy(answer: ConnectAnswer): string[] {
  const { hook } = answer.result;
  if (hook === undefined) {
    if (answer.result.errno === 'EINVAL') return ['the kernel refuses port 0'];
    return ['no program runs at this call: the address is left as it is'];
  }
  const lines = [OUTCOMES[hook.outcome]];
  const { service } = answer;
  if (hook.outcome === 'no-backends' && service !== undefined && isTwoScopes(service.value.flags)) {
    lines.push('the two traffic policies differ, so clients inside have an entry of their own');
  }
  if (hook.outcome === 'no-service' && answer.events.some(wantsTwin)) {
    lines.push(
      '(the frontend says that it has an entry for clients inside, and there is none: external IPs with one Local policy)',
    );
  }
  if (hook.outcome === 'translated') lines.push(choiceLine(answer));
  return lines;
}

const wantsTwin = (event: TraceEvent): boolean => {
  if (event.kind !== 'lookup' || event.map !== 'services' || event.value === undefined) return false;
  const { flags } = event.value as { flags?: number };
  return flags !== undefined && isTwoScopes(flags) && isExternalIp(flags);
};

function choiceLine({ to, events, service }: ConnectAnswer): string {
  const count = service?.value.count ?? 0;
  const drawn = events.find((event) => event.kind === 'random');
  const wildcard =
    service !== undefined && isNodePort(service.value.flags) && /^(?:0\.0\.0\.0|\[::\]):/.test(service.key);
  const where = wildcard ? ' (found by the wildcard entry: this node answers for the addresses of all nodes)' : '';
  if (drawn !== undefined) {
    return `TCP draws a slot at random among ${count}${where}; Maglev plays no part at sockets`;
  }
  if (to.protocol !== Protocol.TCP && events.some(({ kind }) => kind === 'lookup')) {
    return `UDP takes slot "socket cookie modulo ${count}, plus 1"${where}: a socket keeps its choice as long as the count stays`;
  }
  return 'session affinity of the network namespace decides';
}

function resultLine(cluster: Cluster, { result, candidates, chosenBy }: ConnectAnswer): string {
  if (result.errno !== 'OK') return `${result.errno}\n`;
  if (chosenBy === undefined || candidates.length === 0) return `OK, goes to ${described(cluster, result.to!)}\n`;
  const by = chosenBy === 'random' ? 'a random draw (--random)' : "the socket's cookie (--socket-cookie)";
  const rows = candidates.map((one) => [formatEndpoint(one), ...whoIs(cluster, one)]);
  return `OK, goes to one of ${candidates.length} by ${by}, each ${percent(1, candidates.length)}:\n${indented(textTable(rows), '           ')}`;
}

function mapLines(events: readonly TraceEvent[]): string[] {
  const text = (value: unknown): string => {
    const { address, port, ...rest } = value as { address?: string; port?: number };
    const at = address === undefined ? '' : `${address.includes(':') ? `[${address}]` : address}:${port} `;
    const more = Object.entries(rest).map(
      ([name, one]) => `${name}=${typeof one === 'object' ? JSON.stringify(one) : String(one)}`,
    );
    return `${at}${more.join(' ')}`.trim();
  };
  return events.flatMap((event) => {
    if (event.kind === 'update') return [`${event.map}: ${text(event.key)} → ${text(event.value)}`];
    return event.kind === 'delete' ? [`${event.map}: ${text(event.key)} is deleted`] : [];
  });
}

const block = (title: string, lines: readonly string[]): string =>
  lines.map((line, i) => `${(i === 0 ? title : '').padEnd(11)}${line}\n`).join('');

/** The answer to "what does this connect() get?" for people. */
export function formatConnect(
  cluster: Cluster,
  configuration: string,
  answer: ConnectAnswer,
  later?: LaterAnswer,
): string {
  const caller =
    answer.pod === undefined ? `the host namespace of ${answer.node}` : `pod ${answer.pod} on ${answer.node}`;
  let text = `${configuration}\n\n${caller}: ${answer.call}() to ${formatL4Address(answer.to)}\n`;
  text += indented(`service    ${serviceLine(answer)}result     ${resultLine(cluster, answer)}`);
  if (answer.shown !== undefined) {
    const call = answer.call === 'connect' ? 'getpeername()' : 'recvfrom() of the answer';
    text += indented(`shows      ${formatEndpoint(answer.shown)} at ${call}\n`);
  }
  text += indented(block('why', connectWhy(answer)));
  const written = mapLines(answer.events);
  const note = answer.candidates.length > 1 ? [...written, '(for the last of the candidates)'] : written;
  if (written.length > 0) text += indented(block('writes', note));
  if (later !== undefined) text += indented(block('afterwards', laterLines(later)));
  return text;
}

/** What has become of the socket, in plain words. */
export function laterLines({ status, closed, shown }: LaterAnswer): string[] {
  if (status === undefined) return ['the socket has no peer'];
  const lines = {
    direct: ['the socket goes to the address it was given, whatever happens to services'],
    active: ['the backend is still active: nothing changes for the socket'],
    terminating: ['the backend is terminating: the socket stays with it, new sockets go elsewhere if they can'],
    quarantined: ['the backend is quarantined: the socket stays with it'],
    maintenance: ['the backend is in maintenance: the socket stays with it'],
    gone: status.stuck
      ? [
          'STUCK: the backend is gone, and a connected UDP socket is never moved: what it sends is lost without an error',
        ]
      : ['the backend is gone: the connection breaks when TCP gives up or is reset'],
  }[status.state];
  if (closed)
    lines.push('the agent closes it (the application gets ECONNABORTED) if the kernel supports destroying sockets');
  if (shown !== undefined) lines.push(`getpeername() shows ${formatEndpoint(shown)}`);
  return lines;
}

const endpointJson = (cluster: Cluster, endpoint: Endpoint): Record<string, unknown> => {
  const [name, node] = whoIs(cluster, endpoint);
  return {
    address: formatAddress(endpoint.address),
    port: endpoint.port,
    ...(name === '' ? {} : { name }),
    ...(node === '' ? {} : { node }),
  };
};

/** The same answer for programs. */
export function connectJson(
  cluster: Cluster,
  configuration: string,
  answer: ConnectAnswer,
  later?: LaterAnswer,
): unknown {
  const { result, service, frontend } = answer;
  return {
    configuration: configuration.replace(/^configuration: /, ''),
    caller: { node: answer.node, pod: answer.pod ?? null },
    call: answer.call,
    to: formatL4Address(answer.to),
    service:
      service === undefined
        ? null
        : { name: frontend?.entry.name ?? null, frontend: service.key, id: service.value.revNatIndex },
    errno: result.errno,
    outcome: result.hook?.outcome ?? 'no-hook',
    goesTo: answer.chosenBy === undefined && result.to !== undefined ? endpointJson(cluster, result.to) : null,
    chosenBy: answer.chosenBy ?? null,
    candidates: answer.candidates.map((one) => endpointJson(cluster, one)),
    shown: answer.shown === undefined ? null : formatEndpoint(answer.shown),
    writes: mapLines(answer.events),
    why: connectWhy(answer),
    ...(later === undefined
      ? {}
      : {
          afterwards: {
            backend: later.status?.state ?? null,
            stuck: later.status?.stuck ?? false,
            closedByAgent: later.closed,
            shown: later.shown === undefined ? null : formatEndpoint(later.shown),
          },
        }),
  };
}
