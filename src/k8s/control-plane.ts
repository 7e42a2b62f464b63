import { LbtwinError } from '../errors.ts';
import { parseHashSeed } from '../hash/seed.ts';
import { LbMaps } from '../lb/maps.ts';
import { checkTableSize } from '../maglev/sizes.ts';
import type { IpAddress } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import { isExposedOn, isForProxy, warnOfAnnotations } from './annotations.ts';
import { type ChangeReport, emptyReport, type InputReport } from './change-report.ts';
import { ClusterServices } from './cluster-services.ts';
import { EnvoyRedirects } from './envoy-redirects.ts';
import { type HealthAnswer, HealthServers } from './health-servers.ts';
import { HostPorts } from './host-ports.ts';
import type { Labels } from './labels.ts';
import { LocalRedirects } from './local-redirects.ts';
import { MapSync } from './map-sync.ts';
import type { FaultSource } from './map-writer.ts';
import { type Backend, type Frontend, parseKey, type ProxyRedirect, type Service, type Source } from './model.ts';
import { LocalNode, nodeAddress, type NodeAddress, type NodeAddressInput } from './node-view.ts';
import { readClusterService } from './objects/envoy-config.ts';
import { EMPTY_LIST, formatRef, isRecord, nameOf, type ObjectRef, type Warning } from './objects/fields.ts';
import type { PodObject } from './objects/pod.ts';
import { type KnownObject, refOf, visitObjects } from './objects/read.ts';
import { readEndpointSlice } from './objects/endpointslice.ts';
import { readService, type ServiceObject } from './objects/service.ts';
import { type ControlPlaneOptions, DEFAULT_OPTIONS } from './options.ts';
import { differs } from './profile.ts';
import { frontendsOf, serviceRow, unsortedFrontendsOf } from './services.ts';
import { SkipRedirectTable, type SkipRedirectRow } from './skip-redirects.ts';
import { SliceBook } from './slices.ts';
import { type AddressConflict, Tables } from './tables.ts';

export type { ChangeReport, Conflict } from './change-report.ts';

export interface ControlPlaneInit extends Partial<ControlPlaneOptions> {
  /** The maps to write; new ones of the default sizes if absent. */
  readonly maps?: LbMaps;
  /** Makes map writes fail, to see what comes of it. */
  readonly fault?: FaultSource;
}

/** A frontend in the maps. */
export interface ListedFrontend {
  /** Where it is in the maps: its own address, or one of the node's for a wildcard frontend. */
  readonly address: string;
  readonly id: number;
  readonly frontend: Frontend;
}

/** Names an object; a raw object does as well. */
export type ObjectName = Pick<ObjectRef, 'kind' | 'name'> & { readonly namespace?: string };

/**
 * The agent's service control plane for one node: Kubernetes objects in, map contents out. Every call takes effect as a whole or, when it
 * throws, not at all; what the maps refuse is a state of the frontend concerned, tried again with the next call.
 */
export class ControlPlane {
  readonly options: ControlPlaneOptions;
  readonly maps: LbMaps;
  readonly #tables: Tables;
  readonly #node: LocalNode;
  readonly #slices: SliceBook;
  readonly #fileSlices: SliceBook;
  readonly #hostPorts: HostPorts;
  readonly #redirects: LocalRedirects;
  readonly #envoy: EnvoyRedirects;
  readonly #clusters: ClusterServices;
  readonly #health: HealthServers;
  readonly #skip: SkipRedirectTable;
  readonly #sync: MapSync;
  #report: InputReport = emptyReport();

  /** @throws LbtwinError `unsupported-table-size`, `invalid-hash-seed` */
  constructor(init: ControlPlaneInit = {}) {
    const { maps = new LbMaps(), fault, ...options } = init;
    this.options = { ...DEFAULT_OPTIONS, ...options };
    checkTableSize(this.options.maglevTableSize);
    parseHashSeed(this.options.maglevHashSeed);
    this.maps = maps;
    this.#node = new LocalNode(this.options.nodeName, this.options.nodePortAddresses);
    this.#tables = new Tables(this.options.defects);
    this.#slices = new SliceBook('k8s', this.options);
    this.#fileSlices = new SliceBook('api', this.options);
    this.#hostPorts = new HostPorts(this.#tables, this.options);
    this.#redirects = new LocalRedirects(this.#tables, this.options);
    this.#envoy = new EnvoyRedirects(this.#tables, this.options);
    this.#clusters = new ClusterServices(this.#tables, this.options.clusterName);
    this.#health = new HealthServers(this.#tables, this.options);
    this.#sync = new MapSync(this.#tables, this.#node, this.options, maps, fault);
    this.#skip = new SkipRedirectTable();
  }

  /** The node's addresses that serve NodePorts, in the order in which wildcard frontends get their entries. */
  get nodePortAddresses(): readonly IpAddress[] {
    return this.#node.nodePortAddresses;
  }

  /**
   * Adds or replaces objects, as one transaction. Broken ones are refused with their reason and the rest is applied; with `strict` the
   * first one is thrown and nothing is applied.
   * @throws LbtwinError `invalid-object`, with `strict`
   */
  apply(objects: Iterable<unknown>, { strict = false }: { readonly strict?: boolean } = {}): ChangeReport {
    const raws = strict ? [...objects] : objects;
    if (strict) {
      const [first] = visitObjects(raws, [], () => {}).refused;
      if (first !== undefined) {
        const { code, reason, path, allowed } = first.error;
        throw new LbtwinError(code, `${formatRef(first.object)}: ${reason}`, {
          path,
          ...(allowed === undefined ? {} : { allowed }),
        });
      }
    }
    this.#begin();
    const { refused, ignored } = visitObjects(raws, this.#report.warnings, (object) => this.#upsert(object));
    this.#report.refused = refused;
    this.#report.ignored = ignored;
    return this.#commit();
  }

  /** Removes objects, as one transaction; those that are not there are no error. */
  remove(objects: Iterable<ObjectName | Readonly<Record<string, unknown>>>): ChangeReport {
    this.#begin();
    for (const object of objects) this.#remove('metadata' in object ? refOf(object) : (object as ObjectName));
    return this.#commit();
  }

  /**
   * Says what no object says, or otherwise than it: labels replace all labels, addresses replace those of the Node object for good.
   * @throws LbtwinError `invalid-address`
   */
  setNode(node: { readonly labels?: Labels; readonly addresses?: readonly NodeAddressInput[] }): ChangeReport {
    const addresses = node.addresses?.map(nodeAddress);
    this.#begin();
    if (node.labels !== undefined) this.#sync.changeNode(() => this.#node.setLabels(node.labels!));
    if (addresses !== undefined) this.#sync.changeNode(() => this.#node.setAddresses(addresses));
    return this.#commit();
  }

  /**
   * Tells what a health check found: `backend` (`10.0.0.1:80/TCP`) as `service` (`namespace/name`) sees it.
   * @throws LbtwinError `unknown-backend`
   */
  setHealth(service: string, backend: string, healthy: boolean): ChangeReport {
    const at = parseKey(backend);
    const row = at === undefined ? undefined : this.#tables.backend(at);
    if (row?.instances.some((one) => one.entry.name === service) !== true)
      throw new LbtwinError('unknown-backend', `${service} has no backend ${backend}`);
    this.#begin();
    this.#tables.setHealth(service, row, healthy);
    return this.#commit();
  }

  /** Adds or replaces a service of another cluster, as that cluster announces it. @throws LbtwinError `invalid-object` */
  setClusterService(announcement: Readonly<Record<string, unknown>>): ChangeReport {
    const object = readClusterService(announcement);
    this.#begin();
    this.#clusters.upsert(object);
    return this.#commit();
  }

  removeClusterService(cluster: string, service: string): ChangeReport {
    this.#begin();
    this.#clusters.remove(cluster, service);
    return this.#commit();
  }

  /**
   * Replaces everything that came from the state file (`lb-state-file`) by this content: lists `services` and `endpoints`.
   * @throws LbtwinError `invalid-object`
   */
  setStateFile(content: unknown): ChangeReport {
    const warnings: Warning[] = [];
    const lists = isRecord(content) ? content : {};
    const items = (key: string): Readonly<Record<string, unknown>>[] =>
      Array.isArray(lists[key]) ? lists[key].filter(isRecord) : [];
    const services = items('services').map((raw) => readService(raw, warnings));
    const slices = items('endpoints').map((raw) => readEndpointSlice(raw, warnings));
    this.#begin();
    this.#report.warnings.push(...warnings);
    this.#tables.deleteSource('api');
    this.#fileSlices.clear(this.#tables);
    for (const service of services) this.#setService(service, 'api');
    for (const slice of slices) this.#fileSlices.upsert(this.#tables, slice);
    return this.#commit();
  }

  /** The network namespace of a pod of this node (`namespace/name`), for skip-LB; `undefined` when it is gone. */
  setNetnsCookie(pod: string, cookie: U64 | undefined): ChangeReport {
    this.#begin();
    this.#skip.setCookie(pod, cookie);
    return this.#commit();
  }

  /** Tries frontends again that the maps refused. */
  retry(): ChangeReport {
    this.#begin();
    return this.#commit();
  }

  /** Removes from the maps what nothing accounts for, as the agent does after its start and every half hour. */
  prune(): ChangeReport {
    this.#begin();
    this.#sync.attempt(() => this.#sync.reconciler.prune());
    return this.#commit();
  }

  /** The agent starts anew on the maps as they are: ids, quarantined backends and source ranges are taken over. */
  restart(): ChangeReport {
    this.#begin();
    this.#sync.restart();
    return this.#commit();
  }

  get services(): readonly Service[] {
    return this.#tables.services().map((entry) => entry.service!);
  }

  get frontends(): readonly Frontend[] {
    return this.#tables.frontends();
  }

  get backends(): readonly Backend[] {
    return this.#tables.backends();
  }

  /** By address, such as `10.0.0.1:80/TCP`. */
  frontend(address: string): Frontend | undefined {
    const at = parseKey(address);
    return at === undefined ? undefined : this.#tables.frontend(at);
  }

  /** Frontends of a service (`namespace/name`), in table order. */
  frontendsOf(service: string): readonly Frontend[] {
    return this.#tables.entry(service)?.frontends ?? EMPTY_LIST;
  }

  service(name: string): Service | undefined {
    return this.#tables.entry(name)?.service;
  }

  /** The L7 redirect of a service, by an Envoy configuration. */
  proxyRedirect(service: string): ProxyRedirect | undefined {
    return this.#tables.entry(service)?.proxyRedirect;
  }

  /** Service id of a frontend, or 0. */
  serviceId(address: string): number {
    const at = parseKey(address);
    return at === undefined ? 0 : this.#sync.reconciler.idOf(at);
  }

  /** Backend id of an address, or 0 when no frontend lists it. */
  backendId(address: string): number {
    const at = parseKey(address);
    return (at === undefined ? undefined : this.#tables.backend(at)?.id) ?? 0;
  }

  /**
   * The frontends that the agent lists, by id. Profile 1.17 lists those of the node's addresses too; from 1.18 on they exist in the maps
   * alone.
   */
  get listed(): readonly ListedFrontend[] {
    const all = differs(this.options.profile, 'node-port-services');
    return this.mapFrontends.filter(({ address, frontend }) => all || address === frontend.key);
  }

  /** Every frontend in the maps with its id, in the order of the ids: those of the tables, and wildcard ones at the node's addresses. */
  get mapFrontends(): readonly ListedFrontend[] {
    const found: ListedFrontend[] = [];
    for (const frontend of this.#tables.allFrontends()) {
      for (const { key, id } of this.#sync.reconciler.entriesOf(frontend)) found.push({ address: key, id, frontend });
    }
    return found.sort((a, b) => a.id - b.id);
  }

  get node(): { readonly name: string; readonly labels: Labels; readonly addresses: readonly NodeAddress[] } {
    return this.#node;
  }

  /** @throws LbtwinError `unknown-node` when there are Node objects but none of this node */
  requireNode(): void {
    this.#node.require();
  }

  /** What the health check port answers; `undefined` where nothing listens. */
  healthCheck(port: number): HealthAnswer | undefined {
    return this.#health.answer(port);
  }

  get healthCheckPorts(): readonly { readonly port: number; readonly service: string }[] {
    return this.#health.listeners();
  }

  /** Which pods reach which frontends untranslated. */
  get skipRedirects(): readonly SkipRedirectRow[] {
    return this.#skip.rows();
  }

  get localRedirectPolicies(): ReturnType<LocalRedirects['policies']> {
    return this.#redirects.policies();
  }

  get envoyConfigs(): ReturnType<EnvoyRedirects['configs']> {
    return this.#envoy.configs();
  }

  /** What the last restart took over: ids until the first prune, quarantines by frontend until a health check tells. */
  get restored(): { readonly serviceIds: number; readonly backendIds: number; readonly quarantines: number } {
    const { serviceIds, backendIds, quarantineCount } = this.#sync.reconciler;
    return {
      serviceIds: serviceIds.restored,
      backendIds: backendIds.restored,
      quarantines: quarantineCount,
    };
  }

  /** Numbers given out. */
  get usedIds(): { readonly services: number; readonly backends: number } {
    return { services: this.#sync.reconciler.serviceIds.used, backends: this.#sync.reconciler.backendIds.used };
  }

  /** Maglev tables built so far. */
  get tablesBuilt(): number {
    return this.#sync.reconciler.maglev.built;
  }

  #begin(): void {
    this.#report = emptyReport();
  }

  #upsert(object: KnownObject): void {
    switch (object.kind) {
      case 'Node':
      case 'CiliumNode':
        return this.#sync.changeNode(() => this.#node.observe(object));
      case 'Service':
        return this.#setService(object, 'k8s');
      case 'EndpointSlice':
        return isForProxy(object.labels, this.options.serviceProxyName)
          ? this.#slices.upsert(this.#tables, object)
          : this.#slices.remove(this.#tables, nameOf(object));
      case 'Pod':
        return this.#setPod(object);
      case 'CiliumLocalRedirectPolicy':
        if (this.options.localRedirectPolicy) this.#redirects.setPolicy(object);
        return undefined;
      default:
        if (this.options.envoyConfig) this.#envoy.set(object);
        return undefined;
    }
  }

  #remove({ kind, namespace = 'default', name }: ObjectName): void {
    const full = `${namespace}/${name}`;
    switch (kind) {
      case 'Service':
        return this.#tables.deleteService(full);
      case 'EndpointSlice':
        return this.#slices.remove(this.#tables, full);
      case 'Pod':
        this.#hostPorts.remove(full);
        return this.#redirects.setPod(full, undefined);
      case 'CiliumLocalRedirectPolicy':
        return this.#redirects.removePolicy(full);
      case 'CiliumEnvoyConfig':
        return this.#envoy.remove(full);
      case 'CiliumClusterwideEnvoyConfig':
        return this.#envoy.remove(`/${name}`);
      default:
        return undefined;
    }
  }

  #setService(object: ServiceObject, source: Source): void {
    const name = nameOf(object);
    const fromFile = source === 'api';
    const seen = fromFile || isForProxy(object.labels, this.options.serviceProxyName);
    if (!seen || (!fromFile && !isExposedOn(object, this.#node.labels))) {
      this.#tables.deleteService(name);
      return;
    }
    warnOfAnnotations(object, this.#report.warnings);
    const entry = this.#tables.entryOf(name);
    const service = serviceRow(object, entry.name, source, this.options);
    const frontends = (fromFile ? unsortedFrontendsOf : frontendsOf)(object, service, this.options);
    const conflict = this.#tables.upsertServiceOf(entry, service, frontends);
    if (conflict !== undefined)
      this.#conflict({ kind: 'Service', namespace: object.namespace, name: object.name }, conflict);
  }

  #setPod(pod: PodObject): void {
    const name = nameOf(pod);
    if (pod.nodeName !== this.options.nodeName) {
      this.#hostPorts.remove(name);
      this.#redirects.setPod(name, undefined);
      return;
    }
    if (this.#hasHostPorts) {
      this.#hostPorts.upsert(pod, ({ namespace, name: podName }, conflict) =>
        this.#conflict({ kind: 'Pod', namespace, name: podName }, conflict),
      );
    }
    this.#redirects.setPod(name, pod);
  }

  get #hasHostPorts(): boolean {
    const { profile, hostPort, kubeProxyReplacement } = this.options;
    return differs(profile, 'separate-switches') ? hostPort : kubeProxyReplacement;
  }

  #conflict(object: ObjectRef, conflict: AddressConflict): void {
    this.#report.conflicts.push({ object, ...conflict });
  }

  #commit(): ChangeReport {
    const { envoyConfig, healthCheckNodePort, kubeProxyReplacement } = this.options;
    const changes = this.#sync.settle(
      (services) => {
        if (!this.#redirects.isIdle) this.#redirects.refresh();
        if (envoyConfig) this.#envoy.refresh(this.#node.labels);
        if (healthCheckNodePort && kubeProxyReplacement) {
          this.#health.refresh(services, this.#node.nodePortAddresses);
        }
      },
      (writer) => this.#skip.reconcile(this.#redirects.skipRedirects(), writer),
    );
    for (const { policy, conflict } of this.#redirects.takeConflicts()) {
      const { kind, namespace, name } = policy;
      this.#conflict({ kind, namespace, name }, conflict);
    }
    return { ...this.#report, ...changes };
  }
}
