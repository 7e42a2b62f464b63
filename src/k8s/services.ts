import { Scope } from '../lb/layout.ts';
import type { Family, IpAddress } from '../net/address.ts';
import { exposedType, forwardingModeOf, isHeadless, marksOf } from './annotations.ts';
import { type FrontendType, ScopedAddress, type Service, type Source, tableOrder } from './model.ts';
import { EMPTY_LIST } from './objects/fields.ts';
import type { ServiceObject } from './objects/service.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';
import type { FrontendSpec } from './tables.ts';

const UNSPECIFIED: Readonly<Record<Family, IpAddress>> = {
  4: Object.freeze({ family: 4, words: Object.freeze([0]) }),
  6: Object.freeze({ family: 6, words: Object.freeze([0, 0, 0, 0]) }),
};

export const unspecified = (family: Family): IpAddress => UNSPECIFIED[family];

export const isFamilyEnabled = (family: Family, options: ControlPlaneOptions): boolean =>
  family === 4 ? options.enableIpv4 : options.enableIpv6;

/** The row of the services table that a Service object makes. */
export function serviceRow(object: ServiceObject, name: string, source: Source, options: ControlPlaneOptions): Service {
  return {
    name,
    source,
    labels: object.labels,
    annotations: object.annotations,
    selector: object.selector,
    extPolicy: object.externalTrafficPolicy,
    intPolicy:
      differs(options.profile, 'internal-policy-switch') && !options.internalTrafficPolicy
        ? 'Cluster'
        : object.internalTrafficPolicy,
    affinity: object.affinityTimeout === 0 ? undefined : object.affinityTimeout,
    sourceRanges: object.sourceRanges,
    portNames: portNames(object),
    healthCheckNodePort: object.healthCheckNodePort,
    loadBalancerClass: object.loadBalancerClass,
    loopbackHostPort: false,
    nat46x64: false,
    forwardingMode: forwardingModeOf(object, options),
    marks: marksOf(object),
  };
}

function portNames(object: ServiceObject): readonly (readonly [string, number])[] {
  const { ports } = object;
  if (ports.length === 1) return singlePort(ports[0]!.name, ports[0]!.port);
  return ports.length === 0 ? EMPTY_LIST : ports.map((port) => [port.name, port.port] as const);
}

const singlePorts = new Map<string, readonly (readonly [string, number])[]>();

/** One named port; the common ones are shared. */
function singlePort(name: string, port: number): readonly (readonly [string, number])[] {
  const key = `${name}=${port}`;
  const known = singlePorts.get(key);
  if (known !== undefined) return known;
  const made = Object.freeze([Object.freeze([name, port] as const)]);
  if (singlePorts.size < 1000) singlePorts.set(key, made);
  return made;
}

const ONE_SCOPE: readonly number[] = [Scope.EXTERNAL];
const BOTH_SCOPES: readonly number[] = [Scope.EXTERNAL, Scope.INTERNAL];

/** Families of the wildcard NodePort frontend: as listed, else those of the cluster IPs. */
function nodePortFamilies(object: ServiceObject, options: ControlPlaneOptions): readonly Family[] {
  const families = new Set<Family>();
  if (object.ipFamilies.length > 0) {
    for (const text of object.ipFamilies) {
      if (text === 'IPv4') families.add(4);
      else if (text === 'IPv6') families.add(6);
    }
  } else {
    const always4 = options.defects.has('cluster-ip-families');
    for (const ip of object.clusterIps) families.add(always4 ? 4 : ip.family);
  }
  return [...families];
}

/**
 * The frontends of a Service on any node, in table order, which is also the order in which they get their ids
 * (docs/control-plane.md, "From Services to frontends"). Several may share one address; the last one stands.
 */
export function frontendsOf(object: ServiceObject, service: Service, options: ControlPlaneOptions): FrontendSpec[] {
  const specs = unsortedFrontendsOf(object, service, options);
  if (specs.length > 1) specs.sort((a, b) => tableOrder(a.at, b.at));
  return specs;
}

/** The same in the order in which they are found, as the state file's services get them. */
export function unsortedFrontendsOf(
  object: ServiceObject,
  service: Service,
  options: ControlPlaneOptions,
): FrontendSpec[] {
  if (isHeadless(object)) return [];
  const only = exposedType(object);
  const specs: FrontendSpec[] = [];
  const scopes = service.extPolicy === service.intPolicy ? ONE_SCOPE : BOTH_SCOPES;
  const add = (
    type: FrontendType,
    address: IpAddress,
    port: number,
    scope: number,
    of: ServiceObject['ports'][number],
  ): void => {
    if (!isFamilyEnabled(address.family, options)) return;
    specs.push({
      at: new ScopedAddress(address, port, of.protocol, scope),
      type,
      portName: of.name,
      servicePort: of.port,
    });
  };
  if (only === undefined || only === 'ClusterIP') {
    for (const ip of object.clusterIps) {
      for (const port of object.ports) add('ClusterIP', ip, port.port, Scope.EXTERNAL, port);
    }
  }
  if (options.kubeProxyReplacement) {
    const hasNodePorts = object.type === 'NodePort' || object.type === 'LoadBalancer';
    if (hasNodePorts && (only === undefined || only === 'NodePort')) {
      for (const family of nodePortFamilies(object, options)) {
        for (const port of object.ports) {
          if (port.nodePort === 0) continue;
          for (const scope of scopes) add('NodePort', unspecified(family), port.nodePort, scope, port);
        }
      }
    }
    if (object.type === 'LoadBalancer' && (only === undefined || only === 'LoadBalancer')) {
      const vipOnly = differs(options.profile, 'ip-mode');
      for (const { address, ipMode } of object.ingress) {
        if (vipOnly && ipMode !== '' && ipMode !== 'VIP') continue;
        for (const port of object.ports) {
          for (const scope of scopes) add('LoadBalancer', address, port.port, scope, port);
        }
      }
    }
  }
  const separate = differs(options.profile, 'separate-switches');
  if (separate ? options.externalIps : options.kubeProxyReplacement) {
    for (const ip of object.externalIps) {
      for (const port of object.ports) add('ExternalIPs', ip, port.port, Scope.EXTERNAL, port);
    }
  }
  return specs;
}
