import { BackendState, Scope } from '../lb/layout.ts';
import type { Family, IpAddress } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import { podInstance, syntheticService } from './host-ports.ts';
import { compareText, type Frontend, ScopedAddress, type ServiceEntry } from './model.ts';
import { EMPTY_LIST } from './objects/fields.ts';
import { unspecified } from './services.ts';
import type { InstanceSpec, Tables } from './tables.ts';

/** What a health check of a node port answers, on any path. */
export interface HealthAnswer {
  readonly status: 200 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const SUFFIX = ':healthserver';

/** The listeners and services that healthCheckNodePort asks for (docs/control-plane.md, "Health check node port"). */
export class HealthServers {
  readonly #tables: Tables;
  readonly #nodeName: string;
  /** Names of the services with a listener, by port, and the other way round. */
  readonly #listeners = new Map<number, string>();
  readonly #ports = new Map<string, number>();
  /** Backend of each `:healthserver` service. */
  readonly #backends = new Map<string, ScopedAddress>();

  constructor(tables: Tables, nodeName: string) {
    this.#tables = tables;
    this.#nodeName = nodeName;
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
    const name = `${service}${SUFFIX}`;
    const vip = port === 0 ? undefined : frontends.findLast((frontend) => frontend.type === 'LoadBalancer')?.address;
    const old = this.#backends.get(name);
    if (vip === undefined) {
      if (old === undefined) return;
      this.#tables.deleteService(name);
      this.#tables.releaseInstances(name, 'local', [old]);
      this.#backends.delete(name);
      return;
    }
    const frontend = new ScopedAddress(vip, port, Protocol.TCP, Scope.EXTERNAL);
    const backend = this.#backendOf(vip.family, port, nodeAddresses);
    const same = old?.key === backend.at.key;
    if (same && this.#tables.frontend(frontend)?.entry.name === name) return;
    const row = syntheticService(name, { source: 'local', extPolicy: 'Local', intPolicy: 'Local' });
    const specs = [{ at: frontend, type: 'LoadBalancer' as const, portName: '', servicePort: port }];
    if (this.#tables.upsertService(row, specs) !== undefined) return;
    this.#backends.set(name, backend.at);
    this.#tables.upsertInstances(name, 'local', [backend]);
    if (old !== undefined && !same) this.#tables.releaseInstances(name, 'local', [old]);
  }

  #backendOf(family: Family, port: number, nodeAddresses: readonly IpAddress[]): InstanceSpec {
    const address = nodeAddresses.find((one) => one.family === family) ?? unspecified(family);
    const at = new ScopedAddress(address, port, Protocol.TCP, Scope.INTERNAL);
    return { ...podInstance(at, EMPTY_LIST, 0), nodeName: this.#nodeName };
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
    const isLocal = (nodeName: string): boolean => nodeName === '' || nodeName === this.#nodeName;
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
