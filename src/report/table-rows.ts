import { type Backend, type Frontend, type Instance, type Service, STATE_NAMES } from '../k8s/model.ts';
import type { ProxyRedirect } from '../k8s/model.ts';
import { formatCidr } from '../net/cidr.ts';

/** A row as the agent's table commands print it: column name to cell. */
export type Row = Readonly<Record<string, string>>;

/** A duration in whole seconds as Go prints it: `3h0m0s`, `45s`. */
export function goDuration(seconds: number): string {
  const h = Math.floor(seconds / 3600);
  const m = Math.floor(seconds / 60) % 60;
  const s = seconds % 60;
  return h > 0 ? `${h}h${m}m${s}s` : m > 0 ? `${m}m${s}s` : `${s}s`;
}

export function serviceCells(service: Service, redirect: ProxyRedirect | undefined): Row {
  const { extPolicy, intPolicy } = service;
  return {
    Name: service.name,
    Source: service.source,
    PortNames: [...new Map(service.portNames)]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, port]) => `${name}=${port}`)
      .join(', '),
    TrafficPolicy: extPolicy === intPolicy ? extPolicy : `Ext=${extPolicy}, Int=${intPolicy}`,
    Flags: serviceFlags(service, redirect).sort().join(', '),
  };
}

function serviceFlags(service: Service, redirect: ProxyRedirect | undefined): string[] {
  const { marks } = service;
  const flags: string[] = [];
  if (service.affinity !== undefined) flags.push(`SessionAffinity=${goDuration(service.affinity)}`);
  if (service.sourceRanges.length > 0) flags.push(`SourceRanges=${service.sourceRanges.map(formatCidr).join(', ')}`);
  if (marks.denyRanges) flags.push('SourceRangesPolicy=deny');
  if (redirect !== undefined) {
    const ports = redirect.ports.length === 0 ? '' : ` (ports: [${redirect.ports.join(' ')}])`;
    flags.push(`ProxyRedirect=${redirect.port}${ports}`);
  }
  if (service.healthCheckNodePort > 0) flags.push(`HealthCheckNodePort=${service.healthCheckNodePort}`);
  if (service.loopbackHostPort) flags.push('LoopbackHostPort=true');
  if (marks.algorithm !== undefined) flags.push(`ExplicitLBAlgorithm=${marks.algorithm}`);
  if (service.forwardingMode !== undefined) flags.push(`ForwardingMode=${service.forwardingMode}`);
  if (marks.preferClose) flags.push('TrafficDistribution=PreferClose');
  if (service.loadBalancerClass !== undefined) flags.push(`LoadBalancerClass=${service.loadBalancerClass}`);
  return flags;
}

const SHOWN_BACKENDS = 5;

export function frontendCells(frontend: Frontend): Row {
  const backends = frontend.backends.map(({ backend }) => backend.key);
  const more = backends.length > SHOWN_BACKENDS ? ` + ${backends.length - SHOWN_BACKENDS} more ...` : '';
  return {
    Address: frontend.key,
    Type: frontend.type,
    ServiceName: frontend.entry.name,
    PortName: frontend.portName,
    Backends: `${backends.slice(0, SHOWN_BACKENDS).join(', ')}${more}`,
    RedirectTo: frontend.redirectTo?.name ?? '',
    Status: frontend.status,
    Error: frontend.error,
  };
}

export function backendCells(backend: Backend): Row {
  const preferred: Instance[] = [];
  const shadows: Instance[] = [];
  for (const one of backend.instances) (preferred.at(-1)?.entry === one.entry ? shadows : preferred).push(one);
  return {
    Address: backend.key,
    Instances: preferred.map(instanceText).join(', '),
    Shadows: shadows.map((one) => `${instanceText(one)} [${one.source}]`).join(', '),
    NodeName: preferred[0]?.nodeName ?? '',
  };
}

/** `ns/name [state] (port names)`, the bracket only for what is not active and healthy. */
function instanceText(one: Instance): string {
  const state = one.state !== 0 ? ` [${STATE_NAMES[one.state]}]` : one.unhealthy ? ' [unhealthy]' : '';
  const names = one.portNames.length === 0 ? '' : ` (${one.portNames.toSorted().join(' ')})`;
  return `${one.entry.name}${state}${names}`;
}
