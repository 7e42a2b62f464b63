import { Scope } from '../lb/layout.ts';
import { formatAddress, type IpAddress } from '../net/address.ts';
import { podInstance } from './host-ports.ts';
import { compareText, type Frontend, ScopedAddress, type Service, tableOrder } from './model.ts';
import type { LocalRedirectPolicyObject, RedirectPort } from './objects/local-redirect.ts';
import type { PodObject } from './objects/pod.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';
import { isFamilyEnabled } from './services.ts';
import type { FrontendSpec, InstanceSpec } from './tables.ts';

/** The service whose properties count on a frontend: in profile 1.17 a redirected one is the policy's, with nothing of its Service. */
export function rowOf(frontend: Frontend, { profile }: ControlPlaneOptions): Service | undefined {
  const { redirectTo, entry } = frontend;
  return redirectTo?.service !== undefined && differs(profile, 'local-redirects') ? redirectTo.service : entry.service;
}

/** What a local redirect policy of profile 1.17 makes of this node's pods. */
export interface RedirectPlan {
  /** Frontends of the policy's own. */
  readonly own: readonly FrontendSpec[];
  /** ClusterIP frontends that it takes over. */
  readonly taken: readonly Frontend[];
  readonly backends: readonly InstanceSpec[];
}

/** A frontend that a policy names, and the port name under which it looks for backends. */
interface Mapping {
  readonly at: ScopedAddress;
  readonly name: string;
}

const mappingsAt = (address: IpAddress, ports: readonly RedirectPort[]): Mapping[] =>
  ports.map(({ name, port, protocol }) => ({ at: new ScopedAddress(address, port, protocol, Scope.EXTERNAL), name }));

/** Ports of a service count on its first cluster IP alone, whether or not the service has them. */
function mappingsOf(policy: LocalRedirectPolicyObject, service: readonly Frontend[]): Mapping[] {
  const { address, frontendPorts, frontendType } = policy;
  if (address !== undefined) return mappingsAt(address, frontendPorts);
  const frontends = service.filter(({ type }) => type === 'ClusterIP');
  if (frontendType === 'all') return frontends.map((one) => ({ at: one, name: one.portName }));
  const [first] = frontends.map((one) => one.address).sort((a, b) => compareText(formatAddress(a), formatAddress(b)));
  return first === undefined ? [] : mappingsAt(first, frontendPorts);
}

/**
 * Profile 1.17: backends are the ready pods at the policy's own backend ports, by name where there are several frontends; without ready
 * pods nothing is redirected.
 * @param pods of this node that the policy selects
 * @param service frontends of the service that it names
 * @param at what stands at an address
 */
export function redirectPlan(
  policy: LocalRedirectPolicyObject,
  pods: readonly PodObject[],
  service: readonly Frontend[],
  at: (address: ScopedAddress) => Frontend | undefined,
  options: ControlPlaneOptions,
): RedirectPlan {
  const own: FrontendSpec[] = [];
  const taken: Frontend[] = [];
  const specs = new Map<string, { readonly at: ScopedAddress; readonly names: Set<string> }>();
  const ready = pods.filter((pod) => pod.ready && pod.addresses.length > 0);
  const mappings = ready.length === 0 ? [] : mappingsOf(policy, service);
  const byName = mappings.length > 1;
  for (const mapping of mappings) {
    const { name } = mapping;
    const port = byName ? policy.backendPorts.findLast((one) => one.name === name) : policy.backendPorts[0];
    if (port === undefined || port.protocol !== mapping.at.protocol) continue;
    const addresses = ready
      .filter((pod) => !byName || pod.ports.some((one) => !one.init && one.name === name))
      .flatMap((pod) => pod.addresses)
      .filter(({ family }) => family === mapping.at.address.family && isFamilyEnabled(family, options));
    if (byName && addresses.length === 0) continue;
    const frontend = at(mapping.at);
    const isTaken = frontend?.type === 'ClusterIP';
    const portName = isTaken ? frontend.portName : byName ? name : '';
    if (isTaken) taken.push(frontend);
    else own.push({ at: mapping.at, type: 'LocalRedirect', portName, servicePort: mapping.at.port });
    for (const address of addresses) {
      const backend = new ScopedAddress(address, port.port, port.protocol, Scope.EXTERNAL);
      const spec = specs.get(backend.key) ?? { at: backend, names: new Set<string>() };
      specs.set(backend.key, spec);
      if (portName !== '') spec.names.add(portName);
    }
  }
  return {
    own: own.sort((a, b) => tableOrder(a.at, b.at)),
    taken,
    backends: [...specs.values()].map((spec) => podInstance(spec.at, [...spec.names], 0)),
  };
}
