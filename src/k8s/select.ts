import { BackendState, Scope } from '../lb/layout.ts';
import type { IpAddress } from '../net/address.ts';
import { type Frontend, type Instance, isUsable, type Service } from './model.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';

/** What of the node the selection looks at. */
export interface NodeView {
  readonly name: string;
  /** `topology.kubernetes.io/zone`; `''` for none. */
  readonly zone: string;
  /** Whether the address is one of the node's own. */
  readonly owns: (address: IpAddress) => boolean;
}

const NO_BACKENDS: readonly Instance[] = Object.freeze([]);

/** Whether a frontend takes backends of its own node alone. */
export function isLocalOnly(frontend: Frontend, service: Service): boolean {
  if (frontend.scope === Scope.INTERNAL) return service.intPolicy === 'Local';
  switch (frontend.type) {
    case 'ClusterIP':
      return service.intPolicy === 'Local';
    case 'NodePort':
    case 'LoadBalancer':
    case 'ExternalIPs':
      return service.extPolicy === 'Local';
    default:
      return false;
  }
}

/** Whether zone hints count: the service prefers close endpoints, and they are its own. */
function usesHints(frontend: Frontend, service: Service, options: ControlPlaneOptions): boolean {
  if (frontend.redirectTo !== undefined || !service.marks.preferClose) return false;
  return !differs(options.profile, 'topology-fallback') || (options.serviceTopology && service.extPolicy !== 'Local');
}

/** The backends of a frontend on this node, in table order (docs/control-plane.md, "Which backends a frontend gets"). */
export function selectInstances(frontend: Frontend, node: NodeView, options: ControlPlaneOptions): readonly Instance[] {
  const service = frontend.entry.service;
  const instances = (frontend.redirectTo ?? frontend.entry).instances;
  if (service === undefined || instances.length === 0) return NO_BACKENDS;
  const localOnly = isLocalOnly(frontend, service);
  const zone = usesHints(frontend, service, options) ? node.zone : '';
  const allOrNothing = zone !== '' && differs(options.profile, 'topology-fallback');
  const nodeOnly = localOnly && service.marks.delegate && differs(options.profile, 'delegation-node-addresses');
  const { protocol, portName } = frontend;
  const { family } = frontend.address;
  const fits = (instance: Instance, before: Instance | undefined): boolean => {
    const { backend } = instance;
    return (
      // Instances of one backend stand together, the preferred source first.
      before?.backend !== backend &&
      backend.protocol === protocol &&
      backend.address.family === family &&
      (!localOnly || instance.nodeName === '' || instance.nodeName === node.name) &&
      (!nodeOnly || node.owns(backend.address)) &&
      (zone === '' || allOrNothing || instance.forZones.length === 0 || instance.forZones.includes(zone)) &&
      (portName === '' || instance.portNames.includes(portName))
    );
  };
  // Most often all of them: then it is the service's own list.
  const selected = instances.every((one, i) => fits(one, instances[i - 1]))
    ? instances
    : instances.filter((one, i) => fits(one, instances[i - 1]));
  const close = allOrNothing ? closest(selected, zone) : selected;
  return selected.some((one) => one.source === 'clustermesh') ? byCluster(close, service, options) : close;
}

/** Profile 1.17: hints count if every backend has some, and not if they leave none. */
function closest(selected: readonly Instance[], zone: string): readonly Instance[] {
  if (selected.some(({ forZones }) => forZones.length === 0)) return selected;
  const close = selected.filter(({ forZones }) => forZones.includes(zone));
  return close.length === 0 ? selected : close;
}

/** Whether cluster mesh affinity wants this backend before others. */
export function isPreferred(instance: Instance, service: Service): boolean {
  const { global, affinity } = service.marks;
  if (!global || affinity === 'none') return false;
  return (instance.source === 'clustermesh') === (affinity === 'remote');
}

/** Cluster mesh: whether remote backends count at all, and which side an affinity prefers. */
function byCluster(selected: readonly Instance[], service: Service, options: ControlPlaneOptions): readonly Instance[] {
  const { global, affinity } = service.marks;
  const isRemote = (one: Instance): boolean => one.source === 'clustermesh';
  const isLocal = (one: Instance): boolean => !isRemote(one);
  if (!global) return selected.filter(isLocal);
  // Profile 1.17 keeps them all and prefers some when it counts.
  if (affinity === 'none' || differs(options.profile, 'preferred-backends')) return selected;
  const healthyRemote = selected.some((one) => isRemote(one) && isUsable(one));
  if (affinity === 'local') {
    const localUsable = selected.some((one) => isLocal(one) && !one.unhealthy && one.state === BackendState.ACTIVE);
    return localUsable || !healthyRemote ? selected.filter(isLocal) : selected;
  }
  const healthyLocal = selected.some((one) => isLocal(one) && isUsable(one));
  return healthyRemote || !healthyLocal ? selected.filter(isRemote) : selected;
}
