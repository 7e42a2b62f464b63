import type { ControlPlane } from '../../k8s/control-plane.ts';
import { effectiveType } from '../../k8s/flags.ts';
import { addressKey, type Frontend } from '../../k8s/model.ts';
import { differs } from '../../k8s/profile.ts';
import { isWildcard } from '../../k8s/reconciler.ts';
import { BACKEND_STATES } from '../../lb/service.ts';
import type { ListedService } from './service-list.ts';

/** The frontends of a control plane as `service list` shows them. */
export function listServices(plane: ControlPlane): ListedService[] {
  const listed: ListedService[] = [];
  for (const frontend of plane.frontends) {
    const service = describeFrontend(frontend, frontend.key, plane.serviceId(frontend.key));
    if (service.id === 0) continue;
    listed.push(service);
    if (!isWildcard(frontend) || !differs(plane.options.profile, 'node-port-services')) continue;
    for (const { address, nodePort } of plane.node.addresses) {
      if (!nodePort || address.family !== frontend.address.family) continue;
      const { port, protocol, scope } = frontend;
      const master = plane.maps.of(address.family).services.get({ address, port, protocol, scope, slot: 0 });
      if (master === undefined) continue;
      listed.push({ ...service, id: master.revNatIndex, frontend: addressKey(address, port, protocol, scope) });
    }
  }
  return listed;
}

function describeFrontend(frontend: Frontend, key: string, id: number): ListedService {
  const { extPolicy, intPolicy, name } = frontend.entry.service ?? { name: frontend.entry.name };
  return {
    id,
    frontend: key,
    type: effectiveType(frontend),
    name,
    externalTrafficPolicy: extPolicy ?? 'Cluster',
    internalTrafficPolicy: intPolicy ?? 'Cluster',
    backends: frontend.backends.map(({ backend, state, nodeName, zone, weight, source }) => ({
      address: backend.key,
      state: BACKEND_STATES[state]!,
      nodeName,
      zone,
      weight,
      remote: source === 'clustermesh',
    })),
  };
}
