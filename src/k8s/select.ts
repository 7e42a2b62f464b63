import { BackendState, Scope } from '../lb/layout.ts';
import type { Frontend, Instance, Service } from './model.ts';

/** What of the node the selection looks at. */
export interface NodeView {
  readonly name: string;
  /** `topology.kubernetes.io/zone`; `''` for none. */
  readonly zone: string;
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
const usesHints = (frontend: Frontend, service: Service): boolean =>
  frontend.redirectTo === undefined && service.marks.preferClose;

/** The backends of a frontend on this node, in table order (docs/control-plane.md, "Which backends a frontend gets"). */
export function selectInstances(frontend: Frontend, node: NodeView): readonly Instance[] {
  const service = frontend.entry.service;
  const instances = (frontend.redirectTo ?? frontend.entry).instances;
  if (service === undefined || instances.length === 0) return NO_BACKENDS;
  const localOnly = isLocalOnly(frontend, service);
  const zone = usesHints(frontend, service) ? node.zone : '';
  const { protocol, portName } = frontend;
  const { family } = frontend.address;
  const selected: Instance[] = [];
  let remote = false;
  let last: Instance | undefined;
  for (const instance of instances) {
    const { backend } = instance;
    // Instances of one backend stand together, the preferred source first.
    if (last !== undefined && last.backend === backend) continue;
    last = instance;
    if (backend.protocol !== protocol || backend.address.family !== family) continue;
    if (localOnly && instance.nodeName !== '' && instance.nodeName !== node.name) continue;
    if (zone !== '' && instance.forZones.length > 0 && !instance.forZones.includes(zone)) continue;
    if (portName !== '' && !instance.portNames.includes(portName)) continue;
    if (instance.source === 'clustermesh') remote = true;
    selected.push(instance);
  }
  // A copy is as long as it needs to be, which an array that was pushed to is not.
  return remote ? byCluster(selected, service) : selected.slice();
}

/** Cluster mesh: whether remote backends count at all, and which side an affinity prefers. */
function byCluster(selected: Instance[], service: Service): readonly Instance[] {
  const { global, affinity } = service.marks;
  const isRemote = (one: Instance): boolean => one.source === 'clustermesh';
  const isLocal = (one: Instance): boolean => !isRemote(one);
  if (!global) return selected.filter(isLocal);
  if (affinity === 'none') return selected;
  const healthyRemote = selected.some((one) => isRemote(one) && !one.unhealthy);
  if (affinity === 'local') {
    const localUsable = selected.some((one) => isLocal(one) && !one.unhealthy && one.state === BackendState.ACTIVE);
    return localUsable || !healthyRemote ? selected.filter(isLocal) : selected;
  }
  const healthyLocal = selected.some((one) => isLocal(one) && !one.unhealthy);
  return healthyRemote || !healthyLocal ? selected.filter(isRemote) : selected;
}
