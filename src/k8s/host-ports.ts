import { BackendState, Scope } from '../lb/layout.ts';
import { type IpAddress, isUnspecified, tryParseAddress } from '../net/address.ts';
import { addressesOf, type Instance, NO_MARKS, ScopedAddress, type Service } from './model.ts';
import { EMPTY_LIST, EMPTY_MAP, nameOf } from './objects/fields.ts';
import type { ContainerPort, PodObject } from './objects/pod.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';
import { isFamilyEnabled, unspecified } from './services.ts';
import type { AddressConflict, FrontendSpec, InstanceSpec, Tables } from './tables.ts';

/** A row for something that the control plane itself makes a service of. */
export function syntheticService(name: string, parts: Partial<Service> = {}): Service {
  return {
    name,
    source: 'k8s',
    labels: EMPTY_MAP,
    annotations: EMPTY_MAP,
    selector: EMPTY_MAP,
    extPolicy: 'Cluster',
    intPolicy: 'Cluster',
    affinity: undefined,
    sourceRanges: EMPTY_LIST,
    portNames: EMPTY_LIST,
    healthCheckNodePort: 0,
    loadBalancerClass: undefined,
    loopbackHostPort: false,
    nat46x64: false,
    forwardingMode: undefined,
    marks: NO_MARKS,
    ...parts,
  };
}

const isLoopback = (address: IpAddress): boolean =>
  address.family === 4 ? address.words[0]! >>> 24 === 127 : address.words.join() === '0,0,0,1';

/** Frontend addresses of a hostPort, and whether they stand for the loopback alone. */
function hostAddresses(
  port: ContainerPort,
  pod: PodObject,
  options: ControlPlaneOptions,
): { addresses: readonly IpAddress[]; loopback: boolean } {
  const wildcards = (): readonly IpAddress[] =>
    ([4, 6] as const)
      .filter(
        (family) => pod.addresses.some((address) => address.family === family) && isFamilyEnabled(family, options),
      )
      .map(unspecified);
  const address = port.hostIp === '' ? undefined : tryParseAddress(port.hostIp);
  if (address === undefined) return { addresses: wildcards(), loopback: false };
  // Documented as the same as none, but the agent makes no frontend of it (docs/fidelity.md).
  if (isUnspecified(address)) return { addresses: [], loopback: false };
  if (!isLoopback(address)) return { addresses: [address], loopback: false };
  return { addresses: [unspecified(address.family)], loopback: true };
}

/** Ports of a pod that make one service. */
interface HostPortService {
  /** Its name. */
  readonly service: string;
  readonly ports: ContainerPort[];
}

/** Told when a pod wants a hostPort that something else has. */
export type OnConflict = (pod: PodObject, conflict: AddressConflict) => void;

/** Services made of the hostPorts of this node's pods (docs/control-plane.md, "hostPort"). */
export class HostPorts {
  readonly #tables: Tables;
  readonly #options: ControlPlaneOptions;
  /** Services made for each pod (`namespace/name`), each with its backends. */
  readonly #made = new Map<string, Map<string, readonly Instance[]>>();

  constructor(tables: Tables, options: ControlPlaneOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  /** A pod that is neither running nor at its end, or about to be deleted, keeps what it has. */
  upsert(pod: PodObject, onConflict: OnConflict): void {
    const name = nameOf(pod);
    if (pod.phase === 'Succeeded' || pod.phase === 'Failed') return this.remove(name);
    if (pod.phase !== 'Running' || pod.deleting) return;
    const wanted = this.#portsOf(pod);
    for (const { service, ports } of wanted) {
      let conflict = this.#upsertService(pod, service, ports);
      const own = conflict !== undefined && this.#made.get(name)?.has(conflict.owner) === true;
      if (own && !this.#options.defects.has('pod-recreated')) {
        // The pod itself under an earlier uid: its place is free.
        this.#removeService(name, conflict!.owner);
        conflict = this.#upsertService(pod, service, ports);
      }
      if (conflict === undefined) continue;
      onConflict(pod, conflict);
      return;
    }
    this.#removeExcept(name, new Set(wanted.map(({ service }) => service)));
  }

  remove(name: string): void {
    this.#removeExcept(name, new Set());
  }

  /** The host ports that count, brought together by the name of their service. */
  #portsOf(pod: PodObject): HostPortService[] {
    const services: HostPortService[] = [];
    if (pod.hostNetwork && differs(this.#options.profile, 'host-network-pods')) return services;
    const [first, last] = this.#options.nodePortRange;
    const together = !this.#options.defects.has('host-port-service');
    for (const port of pod.ports) {
      const { hostPort } = port;
      if (hostPort === 0 || (hostPort >= first && hostPort <= last) || this.#isUnsupported(port)) continue;
      const service = `${nameOf(pod)}:host-port:${hostPort}:${pod.uid}`;
      const known = together ? services.find((one) => one.service === service) : undefined;
      if (known === undefined) services.push({ service, ports: [port] });
      else known.ports.push(port);
    }
    return services;
  }

  /** A loopback address needs a kernel that tells network namespaces apart. */
  #isUnsupported({ hostIp }: ContainerPort): boolean {
    const address = tryParseAddress(hostIp);
    return address !== undefined && isLoopback(address) && !this.#options.netnsCookie;
  }

  #upsertService(pod: PodObject, service: string, ports: readonly ContainerPort[]): AddressConflict | undefined {
    const frontends: FrontendSpec[] = [];
    const byKey = new Map<string, InstanceSpec>();
    let loopbackHostPort = false;
    for (const port of ports) {
      const { addresses, loopback } = hostAddresses(port, pod, this.#options);
      loopbackHostPort ||= loopback;
      for (const address of addresses) {
        const at = new ScopedAddress(address, port.hostPort, port.protocol, Scope.EXTERNAL);
        frontends.push({ at, type: 'HostPort', portName: '', servicePort: port.hostPort });
      }
      for (const address of pod.addresses) {
        if (!isFamilyEnabled(address.family, this.#options)) continue;
        const at = new ScopedAddress(address, port.containerPort, port.protocol, Scope.EXTERNAL);
        byKey.set(at.key, podInstance(at, EMPTY_LIST, 100));
      }
    }
    const conflict = this.#tables.upsertService(syntheticService(service, { loopbackHostPort }), frontends);
    if (conflict !== undefined) return conflict;
    const name = nameOf(pod);
    const made = this.#made.get(name) ?? new Map<string, readonly Instance[]>();
    this.#made.set(name, made);
    const gone = addressesOf(made.get(service) ?? []).filter(({ key }) => !byKey.has(key));
    made.set(service, this.#tables.upsertInstances(service, 'k8s', [...byKey.values()]));
    this.#tables.releaseInstances(service, 'k8s', gone);
    return undefined;
  }

  #removeExcept(name: string, wanted: ReadonlySet<string>): void {
    const made = this.#made.get(name);
    if (made === undefined) return;
    for (const service of made.keys()) if (!wanted.has(service)) this.#removeService(name, service);
  }

  #removeService(name: string, service: string): void {
    const made = this.#made.get(name)!;
    const instances = made.get(service)!;
    this.#tables.deleteService(service);
    this.#tables.releaseInstances(service, 'k8s', addressesOf(instances));
    made.delete(service);
    if (made.size === 0) this.#made.delete(name);
  }
}

/** A backend that is a port of a pod of this node. */
export const podInstance = (at: InstanceSpec['at'], portNames: readonly string[], weight: number): InstanceSpec => ({
  at,
  portNames,
  weight,
  nodeName: '',
  zone: '',
  forZones: EMPTY_LIST,
  clusterId: 0,
  state: BackendState.ACTIVE,
});
