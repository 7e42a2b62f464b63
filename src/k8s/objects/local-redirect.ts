import { type IpAddress, tryParseAddress } from '../../net/address.ts';
import { type Selector, readLabelSelector } from '../labels.ts';
import { each, flag, invalid, metadataOf, type Raw, record, text, type Warning, within } from './fields.ts';
import { readProtocol } from './service.ts';

export interface RedirectPort {
  /** Lower case; `''` without. */
  readonly name: string;
  readonly port: number;
  readonly protocol: number;
}

/** How a policy picks its frontends: all of a service, or by one port or by several named ones, of a service or of an address. */
export type RedirectFrontendType =
  'all' | 'svc-single-port' | 'svc-named-ports' | 'addr-single-port' | 'addr-named-ports';

export interface LocalRedirectPolicyObject {
  readonly kind: 'CiliumLocalRedirectPolicy';
  readonly namespace: string;
  readonly name: string;
  readonly frontendType: RedirectFrontendType;
  /** `namespace/name` of the service matched; `''` for an address matcher. */
  readonly service: string;
  readonly address: IpAddress | undefined;
  readonly frontendPorts: readonly RedirectPort[];
  readonly backendPorts: readonly RedirectPort[];
  readonly podSelector: Selector;
  readonly skipRedirectFromBackend: boolean;
}

function readPorts(parent: Raw): readonly RedirectPort[] {
  const ports: RedirectPort[] = [];
  each(parent, 'toPorts', (entry) => {
    const value = entry['port'];
    const port = typeof value === 'number' ? value : /^\d{1,5}$/.test(String(value)) ? Number(value) : NaN;
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalid(value, 'a port, 1..65535', 'port');
    ports.push({ name: text(entry, 'name').toLowerCase(), port, protocol: readProtocol(entry) });
  });
  return ports;
}

/** A name of a port as IANA has them: up to 15 letters, digits and single inner dashes, a letter among them. */
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*$/;

/**
 * One frontend port and the first backend port must agree in protocol. Where there are several frontend ports all ports need names, where
 * there are several backend ports those do.
 */
function check(frontendPorts: readonly RedirectPort[], backendPorts: readonly RedirectPort[]): void {
  const several = frontendPorts.length > 1;
  const unnamed = (ports: readonly RedirectPort[]): boolean => ports.some(({ name }) => !PORT_NAME.test(name));
  if (several && unnamed(frontendPorts))
    throw invalid(undefined, 'a name for each of several ports', 'redirectFrontend');
  if ((several || backendPorts.length > 1) && unnamed(backendPorts)) {
    throw invalid(undefined, 'a name for each port, since there are several', 'redirectBackend', 'toPorts');
  }
  const [frontend, backend] = [frontendPorts[0], backendPorts[0]];
  if (frontendPorts.length === 1 && backend !== undefined && frontend!.protocol !== backend.protocol) {
    throw invalid(undefined, "the frontend port's protocol", 'redirectBackend', 'toPorts', 0, 'protocol');
  }
}

/** Reads a CiliumLocalRedirectPolicy. @throws LbtwinError `invalid-object` with the path into it */
export function readLocalRedirectPolicy(raw: Raw, _warnings: Warning[]): LocalRedirectPolicyObject {
  const { name, namespace } = metadataOf(raw);
  return within(raw, 'spec', (spec) => {
    const frontend = record(spec, 'redirectFrontend');
    const byAddress = frontend['addressMatcher'] !== undefined && frontend['addressMatcher'] !== null;
    const byService = frontend['serviceMatcher'] !== undefined && frontend['serviceMatcher'] !== null;
    if (byAddress === byService) {
      throw invalid(Object.keys(frontend), 'either addressMatcher or serviceMatcher', 'redirectFrontend');
    }
    const matcher = record(frontend, byAddress ? 'addressMatcher' : 'serviceMatcher');
    const path = ['redirectFrontend', byAddress ? 'addressMatcher' : 'serviceMatcher'] as const;
    const frontendPorts = within(frontend, path[1], readPorts);
    const backendPorts = within(spec, 'redirectBackend', readPorts);
    let address: IpAddress | undefined;
    let service = '';
    if (byAddress) {
      address = tryParseAddress(text(matcher, 'ip'));
      if (address === undefined) throw invalid(matcher['ip'], 'an IP address', ...path, 'ip');
      if (frontendPorts.length === 0) throw invalid(undefined, 'one or more ports', ...path, 'toPorts');
    } else {
      const of = text(matcher, 'namespace') || namespace;
      if (of !== namespace) throw invalid(of, "the policy's own namespace", ...path, 'namespace');
      service = `${of}/${text(matcher, 'serviceName')}`;
    }
    check(frontendPorts, backendPorts);
    const count = frontendPorts.length;
    return {
      kind: 'CiliumLocalRedirectPolicy',
      namespace,
      name,
      frontendType: byAddress
        ? count === 1
          ? 'addr-single-port'
          : 'addr-named-ports'
        : count === 0
          ? 'all'
          : count === 1
            ? 'svc-single-port'
            : 'svc-named-ports',
      service,
      address,
      frontendPorts,
      backendPorts,
      podSelector: within(spec, 'redirectBackend', (backend) => readLabelSelector(backend['localEndpointSelector'])),
      skipRedirectFromBackend: flag(spec, 'skipRedirectFromBackend') ?? false,
    };
  });
}
