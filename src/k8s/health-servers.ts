import { BackendState, Scope } from '../lb/layout.ts';
import { type Family, formatAddress, type IpAddress } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import { podInstance, syntheticService } from './host-ports.ts';
import { compareText, type Frontend, ScopedAddress, type ServiceEntry } from './model.ts';
import { EMPTY_LIST } from './objects/fields.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';
import { unspecified } from './services.ts';
import type { InstanceSpec, Tables } from './tables.ts';

/** What a health check of a node port answers, on any path. */
export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const SUFFIX = ':healthserver';
const SUFFIX_1_17 = '-healthCheck';

/** The listeners and services that healthCheckNodePort asks for (docs/control-plane.md, "Health check node port"). */
export class HealthServers {
  readonly #tables: Tables;
  readonly #options: ControlPlaneOptions;
  /** Names of the services with a listener, by port, and the other way round. */
  readonly #listeners = new Map<number, string>();
  readonly #ports = new Map<string, number>();
  /** Backends of each service that leads to a listener. */
  readonly #backends = new Map<string, readonly ScopedAddress[]>();

  constructor(tables: Tables, options: ControlPlaneOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  /** Ports that are listened on, ascending. */
  ports(): number[] {
    return [...this.#listeners.keys()].sort((a, b) => a - b);
  }

  /** Brings listeners and health services in line with these services. */
  refresh(changed: Iterable<ServiceEntry>, nodeAddresses: readonly IpAddress[]): void {
    const services = new Set<string>();
    for (const { name, service } of changed) {
      const wanted = service !== undefined && service.healthCheckNodePort > 0;
      if ((wanted || (this.#ports.size > 0 && this.#ports.has(name))) && !name.endsWith(SUFFIX)) services.add(name);
    }
    for (const service of services) {
      const entry = this.#tables.entry(service);
      const frontends = entry?.frontends.filter((frontend) => isChecked(frontend)) ?? [];
      const port = frontends.length === 0 ? 0 : entry!.service!.healthCheckNodePort;
      this.#listen(service, port);
      this.#announce(service, port, frontends, nodeAddresses);
    }
  }

  #listen(service: string, port: number): void {
    const old = this.#ports.get(service) ?? 0;
    if (old !== port && old !== 0) {
      if (this.#listeners.get(old) === service) this.#listeners.delete(old);
      this.#ports.delete(service);
    }
    if (port === 0) return;
    this.#listeners.set(port, service);
    this.#ports.set(service, port);
  }

  /** A LoadBalancer address answers health checks too: a service of its own sends them to the listener of this node. */
  #announce(service: string, port: number, frontends: readonly Frontend[], nodeAddresses: readonly IpAddress[]): void {
    const byAddress = differs(this.#options.profile, 'health-check-addresses');
    const name = `${service}${byAddress ? SUFFIX_1_17 : SUFFIX}`;
    const old = this.#backends.get(name) ?? EMPTY_LIST;
    const addresses = port === 0 ? EMPTY_LIST : this.#addressesOf(frontends, nodeAddresses);
    if (addresses.length === 0) {
      if (old.length === 0) return;
      this.#tables.deleteService(name);
      this.#tables.releaseInstances(name, 'local', old);
      this.#backends.delete(name);
      return;
    }
    const at = addresses.map((address) => new ScopedAddress(address, port, Protocol.TCP, Scope.EXTERNAL));
    const families = [...new Set(addresses.map(({ family }) => family))];
    const backends = families.map((family) => this.#backendOf(family, port, nodeAddresses));
    const keys = new Set(backends.map((backend) => backend.at.key));
    const same = old.length === keys.size && old.every(({ key }) => keys.has(key));
    if (same && this.#holds(name, at)) return;
    const row = syntheticService(name, { source: 'local', extPolicy: 'Local', intPolicy: 'Local' });
    const type = 'LoadBalancer' as const;
    const specs = at.map((one) => ({ at: one, type, portName: '', servicePort: port }));
    if (this.#tables.upsertService(row, specs) !== undefined) return;
    this.#backends.set(
      name,
      backends.map((backend) => backend.at),
    );
    this.#tables.upsertInstances(name, 'local', backends);
    const gone = old.filter(({ key }) => !keys.has(key));
    if (gone.length > 0) this.#tables.releaseInstances(name, 'local', gone);
  }

  /** The load balancer addresses that lead to the listener. */
  #addressesOf(frontends: readonly Frontend[], nodeAddresses: readonly IpAddress[]): readonly IpAddress[] {
    const all = frontends.filter(({ type }) => type === 'LoadBalancer').map(({ address }) => address);
    if (!differs(this.#options.profile, 'health-check-addresses')) return all.slice(-1);
    if (!this.#options.healthCheckLoadBalancerIp) return EMPTY_LIST;
    const reached = all.filter(({ family }) => nodeAddresses.some((one) => one.family === family));
    return [...new Map(reached.map((address) => [formatAddress(address), address])).values()];
  }

  /** Whether the service has these frontends and no others. */
  #holds(name: string, addresses: readonly ScopedAddress[]): boolean {
    if (this.#tables.entry(name)?.frontends.length !== addresses.length) return false;
    return addresses.every((at) => this.#tables.frontend(at)?.entry.name === name);
  }

  #backendOf(family: Family, port: number, nodeAddresses: readonly IpAddress[]): InstanceSpec {
    const address = nodeAddresses.find((one) => one.family === family) ?? unspecified(family);
    const at = new ScopedAddress(address, port, Protocol.TCP, Scope.INTERNAL);
    return { ...podInstance(at, EMPTY_LIST, 0), nodeName: this.#options.nodeName };
  }

  /** What an HTTP request to a port of this node gets; `undefined` where nothing listens. */
  answer(port: number): HealthAnswer | undefined {
    const service = this.#listeners.get(port);
    const entry = service === undefined ? undefined : this.#tables.entry(service);
    if (entry === undefined) return undefined;
    const local = entry.proxyRedirect === undefined ? this.#countLocal(entry) : 1;
    const [namespace, name] = entry.name.split('/') as [string, string];
    const body = `{"service":{"namespace":${JSON.stringify(namespace)},"name":${JSON.stringify(name)}},"localEndpoints":${local}}\n`;
    return {
      status: local > 0 ? 200 : 503,
      headers: {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(local),
      },
      body,
    };
  }

  /** Active backends of the service on this node, whatever port they serve. */
  #countLocal(entry: ServiceEntry): number {
    const isLocal = (nodeName: string): boolean => nodeName === '' || nodeName === this.#options.nodeName;
    const keys = new Set<string>();
    for (const { backend, nodeName, state } of entry.instances) {
      if (state === BackendState.ACTIVE && isLocal(nodeName)) keys.add(backend.key);
    }
    return keys.size;
  }

  /** Services with a listener, by name. */
  listeners(): { readonly port: number; readonly service: string }[] {
    return [...this.#listeners]
      .map(([port, service]) => ({ port, service }))
      .sort((a, b) => a.port - b.port || compareText(a.service, b.service));
  }
}

function isChecked(frontend: Frontend): boolean {
  const { service } = frontend.entry;
  return (
    service !== undefined &&
    service.healthCheckNodePort > 0 &&
    service.extPolicy === 'Local' &&
    frontend.scope === Scope.EXTERNAL &&
    (frontend.type === 'LoadBalancer' || frontend.type === 'NodePort')
  );
}
