import { Algorithm, affinityUnion, l7Union, ServiceFlag } from '../lb/layout.ts';
import { isUnspecified } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import type { Frontend, FrontendType, LbAlgorithm, ScopedAddress, Service } from './model.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';
import { MapWriteError } from './map-writer.ts';

const TYPE_FLAG: Readonly<Record<FrontendType, number>> = {
  ClusterIP: 0,
  NodePort: ServiceFlag.NODE_PORT,
  ExternalIPs: ServiceFlag.EXTERNAL_IP,
  LoadBalancer: ServiceFlag.LOAD_BALANCER,
  HostPort: ServiceFlag.HOST_PORT,
  LocalRedirect: ServiceFlag.LOCAL_REDIRECT,
};

/** A redirected frontend counts as LocalRedirect in the maps. */
export const effectiveType = (frontend: Frontend): FrontendType =>
  frontend.redirectTo === undefined ? frontend.type : 'LocalRedirect';

/** The proxy port that a frontend is redirected to, or 0. */
export function proxyPortOf(frontend: Frontend, options: ControlPlaneOptions): number {
  const redirect = frontend.entry.proxyRedirect;
  if (redirect === undefined) return 0;
  const byFrontend = differs(options.profile, 'redirects-by-frontend');
  if (byFrontend && (frontend.protocol !== Protocol.TCP || frontend.redirectTo !== undefined)) return 0;
  const port = byFrontend ? frontend.port : frontend.servicePort;
  return redirect.ports.length === 0 || redirect.ports.includes(port) ? redirect.port : 0;
}

/** The policies that a frontend's flags tell of. */
function policiesOf(type: FrontendType, service: Service, options: ControlPlaneOptions): [ext: boolean, int: boolean] {
  const outside = type === 'NodePort' || type === 'LoadBalancer' || type === 'ExternalIPs';
  const all = !differs(options.profile, 'policies-by-type');
  return [
    service.extPolicy === 'Local' && (all || outside),
    service.intPolicy === 'Local' && (all || outside || type === 'ClusterIP'),
  ];
}

/** Whether the client's address is checked on this frontend. */
export function checksSourceRanges(frontend: Frontend, service: Service, options: ControlPlaneOptions): boolean {
  if (service.sourceRanges.length === 0) return false;
  if (!differs(options.profile, 'source-ranges-by-type')) return true;
  if (!options.sourceRangeCheck) return false;
  if (frontend.type === 'LoadBalancer') return true;
  if (!options.sourceRangeAllTypes) return false;
  return frontend.type === 'NodePort' || (frontend.type === 'ClusterIP' && options.externalClusterIp);
}

/** Whether the ranges are written: without the check the flag alone tells of them. */
export const writesSourceRanges = (frontend: Frontend, service: Service, options: ControlPlaneOptions): boolean =>
  options.sourceRangeCheck && checksSourceRanges(frontend, service, options);

/**
 * Features that exclude each other refuse the whole update, before anything is written.
 * @throws MapWriteError
 */
export function refuseCombination({ entry }: Frontend, service: Service, options: ControlPlaneOptions): void {
  const dropped = differs(options.profile, 'affinity-with-proxy');
  if (service.affinity !== undefined && entry.proxyRedirect !== undefined && !dropped) {
    throw new MapWriteError('invalid feature combination: SessionAffinity with proxy redirection is not supported');
  }
  if (service.loopbackHostPort && service.marks.delegate) {
    throw new MapWriteError('invalid feature combination: HostPort loopback with proxy delegation is not supported');
  }
}

/** Affinity in force on a frontend, in seconds; `undefined` for none. */
export function affinityOf(frontend: Frontend, service: Service, options: ControlPlaneOptions): number | undefined {
  const seconds = service.affinity;
  if (seconds === undefined) return undefined;
  if (proxyPortOf(frontend, options) !== 0 && differs(options.profile, 'affinity-with-proxy')) return undefined;
  return seconds > 0xffffff && differs(options.profile, 'affinity-clamp') ? 0xffffff : seconds;
}

/** The flags word of a frontend's entries at one map address (docs/control-plane.md, "The flags word"). */
export function flagsOf(frontend: Frontend, service: Service, at: ScopedAddress, options: ControlPlaneOptions): number {
  const type = effectiveType(frontend);
  const { marks } = service;
  const [extLocal, intLocal] = policiesOf(type, service, options);
  let flags = TYPE_FLAG[type];
  if (extLocal) flags |= ServiceFlag.EXT_LOCAL_SCOPE;
  if (intLocal) flags |= ServiceFlag.INT_LOCAL_SCOPE;
  if (extLocal !== intLocal && type !== 'ClusterIP') flags |= ServiceFlag.TWO_SCOPES;
  if (affinityOf(frontend, service, options) !== undefined) flags |= ServiceFlag.AFFINITY;
  const hidden = isUnspecified(at.address) || (type === 'ClusterIP' && !options.externalClusterIp);
  if (!hidden) flags |= ServiceFlag.ROUTABLE;
  if (checksSourceRanges(frontend, service, options)) flags |= ServiceFlag.SOURCE_RANGE;
  if (marks.denyRanges) flags |= ServiceFlag.SOURCE_RANGE_DENY;
  if (service.nat46x64) flags |= ServiceFlag.NAT_46X64;
  if (proxyPortOf(frontend, options) !== 0) flags |= ServiceFlag.L7_LOAD_BALANCER;
  if (service.loopbackHostPort) flags |= ServiceFlag.HOST_PORT_LOOPBACK;
  if (marks.delegate) flags |= ServiceFlag.L7_DELEGATE;
  if ((service.forwardingMode ?? options.mode) === 'dsr') flags |= ServiceFlag.FWD_MODE_DSR;
  return flags;
}

/** The algorithm that the Service's annotation chose, where annotations may. */
const chosenAlgorithm = (service: Service, options: ControlPlaneOptions): LbAlgorithm | undefined =>
  options.algorithmAnnotation ? service.marks.algorithm : undefined;

/** Master entries carry an algorithm only where the Service's annotation chose it. */
function algorithmWord(service: Service, options: ControlPlaneOptions): number {
  const chosen =
    chosenAlgorithm(service, options) ?? (differs(options.profile, 'algorithm-always') ? options.algorithm : undefined);
  return chosen === undefined ? Algorithm.UNDEFINED : chosen === 'maglev' ? Algorithm.MAGLEV : Algorithm.RANDOM;
}

/**
 * The first word of the master entry. What does not fit is refused here, after everything else has been written, as the agent does.
 * @throws MapWriteError
 */
export function masterUnion(frontend: Frontend, service: Service, options: ControlPlaneOptions): number {
  const seconds = affinityOf(frontend, service, options);
  const proxyPort = proxyPortOf(frontend, options);
  if (proxyPort !== 0) return l7Union(proxyPort);
  if (!options.sessionAffinity) return affinityUnion(0, algorithmWord(service, options));
  if (seconds !== undefined && seconds > 0xffffff) {
    throw new MapWriteError(
      `upsert service master: session affinity timeout ${seconds} does not fit into 24 bits (is larger than ${0xffffff})`,
    );
  }
  return affinityUnion(seconds ?? 0, algorithmWord(service, options));
}

/** Whether a frontend has a Maglev table at this map address. */
export function usesMaglev(
  frontend: Frontend,
  service: Service,
  at: ScopedAddress,
  options: ControlPlaneOptions,
): boolean {
  if (isUnspecified(at.address)) return false;
  const chosen = chosenAlgorithm(service, options);
  if (chosen !== undefined) return chosen === 'maglev';
  if (options.algorithm !== 'maglev') return false;
  return frontend.type === 'ClusterIP' ? options.externalClusterIp : frontend.type !== 'LocalRedirect';
}
