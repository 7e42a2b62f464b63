import type { ControlPlane } from '../../k8s/control-plane.ts';
import { effectiveType } from '../../k8s/flags.ts';
import type { Frontend } from '../../k8s/model.ts';
import { BACKEND_STATES } from '../../lb/service.ts';
import type { ListedService } from './service-list.ts';

/** The frontends of a control plane as `service list` shows them. */
export const listServices = (plane: ControlPlane): ListedService[] =>
  plane.listed.map(({ address, id, frontend }) => describeFrontend(frontend, address, id));

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
