import { type FlowAnswer, type FlowQuestion, type FlowView, SPREAD_PORTS } from '../k8s/flow-question.ts';
import type { Backend, Service } from '../lb/service.ts';
import { formatAddress, parseAddress } from '../net/address.ts';
import { formatEndpoint, formatL4Address } from '../net/endpoint.ts';
import { protocolName } from '../net/protocol.ts';
import { explainView } from './select-why.ts';
import { nearFrontends } from './near-frontends.ts';
import { bar, indented, percent, textTable } from './table.ts';

const endpoint = (address: string, port: number): string => formatEndpoint({ address: parseAddress(address), port });

/** Who a backend is: pod, node and zone, as far as the objects tell. */
function backendParts(answer: FlowAnswer, backend: Backend): [at: string, pod: string, node: string] {
  const pod = answer.inventory.podOf(parseAddress(backend.address));
  const node = pod?.node ?? answer.inventory.nodeOf(parseAddress(backend.address));
  const zone = pod?.zone ?? (node === undefined ? undefined : answer.inventory.nodes.get(node)?.zone);
  const where = node === undefined ? '' : `${node}${zone === undefined || zone === '' ? '' : ` (${zone})`}`;
  return [endpoint(backend.address, backend.port), pod?.name ?? '', where];
}

function clientText(answer: FlowAnswer): string {
  const { kind, name, node } = answer.client;
  if (kind === 'external') return 'a client outside the cluster';
  if (kind === 'node') return `node ${name}`;
  return `${name === undefined ? 'a pod' : `pod ${name}`}${node === undefined ? '' : ` on ${node}`}`;
}

function frontendText(answer: FlowAnswer): string {
  const { frontend, serviceRow } = answer;
  const port = frontend!.portName === '' ? '' : `, port ${frontend!.portName}`;
  const policy =
    frontend!.type === 'ClusterIP'
      ? `internalTrafficPolicy ${serviceRow!.intPolicy}`
      : `externalTrafficPolicy ${serviceRow!.extPolicy}`;
  const scope = frontend!.scope === 1 ? ', the entry for clients inside' : '';
  return `${frontend!.entry.name}${port} (${frontend!.type}, ${policy}${scope})`;
}

function outcomeText(answer: FlowAnswer, question: FlowQuestion, view: FlowView): string {
  const { explanation, service } = view;
  switch (view.outcome) {
    case 'backend': {
      const [at, pod, node] = backendParts(answer, explanation!.backend!);
      return `backend    ${[at, pod, node].filter((part) => part !== '').join('  ')}\n`;
    }
    case 'spread':
      return (
        `backends   how client ports ${SPREAD_PORTS.min}..${SPREAD_PORTS.max} of ${formatAddress(question.client)} spread:\n` +
        indented(spreadTable(answer, service!, view.spread!))
      );
    case 'candidates':
      return `backends   each of these ${service!.count} with the same chance, ${percent(1, service!.count)}:\n${indented(candidateTable(answer, service!))}`;
    case 'no-backend':
      return 'backend    none\n';
    case 'source-range':
      return 'backend    none: the client is refused by the source ranges\n';
    case 'proxy':
      return `backend    none: the node's L7 proxy takes the connection on port ${view.proxyPort}\n`;
    case 'untranslated':
      return 'backend    none: the socket is left as it is, the connection goes to the address itself\n';
    case 'not-written':
      return 'backend    not decided: the agent does not write this frontend\n';
    case 'not-exposed':
      return 'backend    none: the service does not exist on this node\n';
  }
}

function spreadTable(answer: FlowAnswer, service: Service, spread: readonly number[]): string {
  const total = SPREAD_PORTS.max - SPREAD_PORTS.min + 1;
  const most = Math.max(...spread);
  const rows = service.backends
    .map((backend, i) => [backend, spread[i]!] as const)
    .filter(([, ports]) => ports > 0)
    .map(([backend, ports]) => [
      ...backendParts(answer, backend),
      String(ports),
      percent(ports, total),
      bar(ports, most, 20),
    ]);
  return textTable([['backend', 'pod', 'node', 'ports', 'share', ''], ...rows], new Set([3, 4]));
}

const candidateTable = (answer: FlowAnswer, service: Service): string =>
  textTable(service.backends.slice(0, service.count).map((backend) => backendParts(answer, backend)));

/** The answer to "which backend?" for people. `configuration` is the line that says which configuration it is for. */
export function formatFlowAnswer(configuration: string, question: FlowQuestion, answer: FlowAnswer): string {
  const port = question.clientPort;
  const from = port === undefined ? formatAddress(question.client) : formatEndpoint({ address: question.client, port });
  let text = `${configuration}\n\n${from} → ${formatL4Address(answer.to)}\n`;
  if (answer.serviceRow === undefined) return `${text}${indented(nearFrontends(answer))}`;
  text += indented(`client     ${clientText(answer)}\nservice    ${frontendText(answer)}\n`);
  for (const view of answer.views) {
    if (view.nodes.length > 0) text += `\n  on ${view.nodes.join(', ')}\n`;
    const why = explainView(answer, question, view);
    text += indented(outcomeText(answer, question, view));
    text += indented(`${why.map((line, i) => `${i === 0 ? 'why        ' : '           '}${line}`).join('\n')}\n`);
  }
  return text;
}

/** Whether some backend is reached somewhere: exit code 0. */
export const isReached = (answer: FlowAnswer): boolean =>
  answer.views.some(({ outcome }) => ['backend', 'spread', 'candidates', 'proxy'].includes(outcome));

const backendJson = (answer: FlowAnswer, backend: Backend): Record<string, unknown> => {
  const pod = answer.inventory.podOf(parseAddress(backend.address));
  return {
    address: backend.address,
    port: backend.port,
    protocol: backend.protocol,
    state: backend.state,
    ...(pod?.name === undefined ? {} : { pod: pod.name }),
    ...(pod?.node === undefined ? {} : { node: pod.node }),
    ...(pod?.zone === undefined || pod.zone === '' ? {} : { zone: pod.zone }),
  };
};

/** The same answer for programs. */
export function flowAnswerJson(configuration: string, question: FlowQuestion, answer: FlowAnswer): unknown {
  const { frontend, serviceRow, to, client } = answer;
  return {
    configuration: configuration.replace(/^configuration: /, ''),
    from: { address: formatAddress(question.client), port: question.clientPort ?? null, ...client },
    to: { address: formatAddress(to.address), port: to.port, protocol: protocolName(to.protocol) },
    found: serviceRow !== undefined,
    ...(serviceRow === undefined
      ? { near: nearFrontends(answer).trimEnd().split('\n') }
      : {
          frontend: {
            address: frontend!.key,
            type: frontend!.type,
            service: serviceRow.name,
            portName: frontend!.portName,
            externalTrafficPolicy: serviceRow.extPolicy,
            internalTrafficPolicy: serviceRow.intPolicy,
          },
        }),
    views: answer.views.map((view) => viewJson(answer, question, view)),
  };
}

function viewJson(answer: FlowAnswer, question: FlowQuestion, view: FlowView): unknown {
  const { explanation, service, spread } = view;
  const reached = view.outcome === 'backend' ? explanation?.backend : undefined;
  return {
    nodes: view.nodes,
    outcome: view.outcome,
    backend: reached === undefined ? null : backendJson(answer, reached),
    algorithm: service?.algorithm ?? null,
    ...(view.outcome !== 'backend' || explanation?.hash === undefined
      ? {}
      : {
          hash: explanation.hash,
          hashedPort: explanation.hashedPort,
          tableSize: explanation.tableSize,
          tableIndex: explanation.tableIndex,
        }),
    ...(explanation?.slot === undefined ? {} : { randomWord: explanation.randomWord, slot: explanation.slot }),
    candidates: service?.backends.slice(0, service.count).map((backend) => backendJson(answer, backend)) ?? [],
    ...(spread === undefined
      ? {}
      : {
          spread: service!.backends
            .map((backend, i) => ({ ...backendJson(answer, backend), ports: spread[i]! }))
            .filter(({ ports }) => ports > 0),
        }),
    why: explainView(answer, question, view),
  };
}
