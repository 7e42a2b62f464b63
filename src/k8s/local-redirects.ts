import { Scope } from '../lb/layout.ts';
import { syntheticService, podInstance } from './host-ports.ts';
import { matches } from './labels.ts';
import { addressesOf, compareText, type Frontend, type Instance, ScopedAddress, tableOrder } from './model.ts';
import { EMPTY_LIST, nameOf } from './objects/fields.ts';
import type { LocalRedirectPolicyObject } from './objects/local-redirect.ts';
import type { PodObject } from './objects/pod.ts';
import type { ControlPlaneOptions } from './options.ts';
import { differs } from './profile.ts';
import { redirectPlan } from './redirect-plan.ts';
import { isFamilyEnabled } from './services.ts';
import type { AddressConflict, FrontendSpec, InstanceSpec, Tables } from './tables.ts';

/** What skip-LB asks for one pod: frontends that this pod reaches untranslated. */
export interface SkipRedirects {
  /** `namespace/name` */
  readonly pod: string;
  readonly frontends: readonly ScopedAddress[];
}

interface PolicyRecord {
  readonly policy: LocalRedirectPolicyObject;
  readonly target: string;
  backends: readonly Instance[];
  /** Addresses that another service has (address matchers). */
  conflict: AddressConflict | undefined;
  /** Address of the conflict that was told. */
  told: string;
}

/** CiliumLocalRedirectPolicies of this node (docs/control-plane.md, "Local redirect policies"). */
export class LocalRedirects {
  readonly #tables: Tables;
  readonly #options: ControlPlaneOptions;
  readonly #policies = new Map<string, PolicyRecord>();
  readonly #pods = new Map<string, PodObject>();

  constructor(tables: Tables, options: ControlPlaneOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  /** Policies in the order of their names. */
  policies(): LocalRedirectPolicyObject[] {
    return [...this.#policies.values()].map(({ policy }) => policy).sort((a, b) => compareText(nameOf(a), nameOf(b)));
  }

  /** Conflicts of policies that came up since the last call: addresses that another service has. */
  takeConflicts(): { readonly policy: LocalRedirectPolicyObject; readonly conflict: AddressConflict }[] {
    const found: { policy: LocalRedirectPolicyObject; conflict: AddressConflict }[] = [];
    for (const record of this.#policies.values()) {
      const { policy, conflict } = record;
      if (conflict !== undefined && conflict.address !== record.told) found.push({ policy, conflict });
      record.told = conflict?.address ?? '';
    }
    return found;
  }

  setPod(name: string, pod: PodObject | undefined): void {
    if (pod === undefined) this.#pods.delete(name);
    else this.#pods.set(name, pod);
  }

  removePolicy(name: string): void {
    const record = this.#policies.get(name);
    if (record === undefined) return;
    this.#policies.delete(name);
    const { target } = record;
    const entry = this.#tables.entry(target);
    for (const frontend of [...(entry?.redirectedFrom ?? [])].sort(tableOrder))
      this.#tables.redirect(frontend, undefined);
    this.#tables.deleteService(target);
    this.#tables.releaseInstances(target, 'k8s', addressesOf(record.backends));
  }

  setPolicy(policy: LocalRedirectPolicyObject): void {
    const name = nameOf(policy);
    const old = this.#policies.get(name);
    // The older control plane takes neither updates nor a second policy for a service.
    if (this.#isOlder && (old !== undefined || this.#isServed(policy.service))) return;
    if (old !== undefined && old.policy.service !== policy.service) this.removePolicy(name);
    this.#policies.set(name, {
      policy,
      target: `${name}:local-redirect`,
      backends: old?.backends ?? EMPTY_LIST,
      conflict: undefined,
      told: '',
    });
  }

  get #isOlder(): boolean {
    return differs(this.#options.profile, 'local-redirects');
  }

  #isServed(service: string): boolean {
    return service !== '' && [...this.#policies.values()].some(({ policy }) => policy.service === service);
  }

  /** Brings services, backends and redirects in line with policies and pods. Called after the frontends themselves are up to date. */
  refresh(): void {
    const records = [...this.#policies.keys()].sort(compareText).map((name) => this.#policies.get(name)!);
    if (this.#isOlder) return this.#refreshOlder(records);
    /** Of several policies for one service the last by name decides about all of its frontends. */
    const deciding = new Map<string, PolicyRecord>();
    for (const record of records) {
      this.#refresh(record);
      if (record.policy.service !== '') deciding.set(record.policy.service, record);
    }
    for (const { policy, target } of deciding.values()) this.#redirect(policy, target);
  }

  get isIdle(): boolean {
    return this.#policies.size === 0;
  }

  #refresh(record: PolicyRecord): void {
    const { policy } = record;
    this.#setFrontends(record, policy.address === undefined ? [] : addressFrontends(policy));
    this.#setBackends(record, this.#backendsOf(policy));
  }

  /** Of several policies for one frontend the last by name has it. */
  #refreshOlder(records: readonly PolicyRecord[]): void {
    const at = (address: ScopedAddress): Frontend | undefined => this.#tables.frontend(address);
    const owners = new Map<Frontend, PolicyRecord>();
    for (const record of records) {
      const { policy } = record;
      const service = this.#tables.entry(policy.service)?.frontends ?? [];
      const { own, taken, backends } = redirectPlan(policy, this.#podsOf(policy), service, at, this.#options);
      this.#setFrontends(record, own);
      this.#setBackends(record, backends);
      for (const frontend of taken) owners.set(frontend, record);
    }
    for (const record of records) {
      const { redirectedFrom } = this.#tables.entryOf(record.target);
      for (const frontend of [...(redirectedFrom ?? [])].sort(tableOrder)) {
        if (owners.get(frontend) !== record) this.#tables.redirect(frontend, undefined);
      }
    }
    for (const [frontend, { target }] of owners) this.#tables.redirect(frontend, this.#tables.entryOf(target));
  }

  #setFrontends(record: PolicyRecord, asked: readonly FrontendSpec[]): void {
    const { target } = record;
    record.conflict = this.#tables.conflictOf(target, asked);
    const isFree = (spec: FrontendSpec): boolean => this.#tables.conflictOf(target, [spec]) === undefined;
    const frontends = record.conflict === undefined ? asked : asked.filter(isFree);
    const entry = this.#tables.entry(target);
    if (entry?.service === undefined || !sameFrontends(entry.frontends, frontends)) {
      this.#tables.upsertService(syntheticService(target), frontends);
    }
  }

  #setBackends(record: PolicyRecord, wanted: readonly InstanceSpec[]): void {
    const { target } = record;
    const keys = wanted.map(({ at }) => at.key);
    const before = addressesOf(record.backends);
    const named = (rows: readonly { readonly portNames: readonly string[] }[]): string =>
      rows.map(({ portNames }) => portNames.join()).join(' ');
    const same = keys.join() === before.map(({ key }) => key).join() && named(wanted) === named(record.backends);
    if (!same) {
      record.backends = this.#tables.upsertInstances(target, 'k8s', wanted);
      const gone = before.filter(({ key }) => !keys.includes(key));
      this.#tables.releaseInstances(target, 'k8s', gone);
    }
  }

  #redirect(policy: LocalRedirectPolicyObject, target: string): void {
    const to = this.#tables.entryOf(target);
    for (const frontend of this.#tables.entry(policy.service)?.frontends ?? []) {
      if (frontend.type === 'ClusterIP') this.#tables.redirect(frontend, redirects(policy, frontend) ? to : undefined);
    }
  }

  #podsOf(policy: LocalRedirectPolicyObject): PodObject[] {
    return [...this.#pods.values()]
      .filter((pod) => pod.namespace === policy.namespace && matches(policy.podSelector, pod.labels))
      .sort((a, b) => compareText(nameOf(a), nameOf(b)));
  }

  /** All container ports of the matching pods; port names filter only where several frontend ports are told apart by name. */
  #backendsOf(policy: LocalRedirectPolicyObject): InstanceSpec[] {
    const byName = policy.frontendPorts.length > 1;
    const names = new Set(policy.backendPorts.map(({ name }) => name));
    const specs = new Map<string, InstanceSpec>();
    for (const pod of this.#podsOf(policy)) {
      for (const address of pod.addresses) {
        if (!isFamilyEnabled(address.family, this.#options)) continue;
        for (const port of pod.ports) {
          if (port.init || (byName && !names.has(port.name.toLowerCase()))) continue;
          const at = new ScopedAddress(address, port.containerPort, port.protocol, Scope.EXTERNAL);
          // Of several ports with one number the last one gives the name.
          specs.set(at.key, podInstance(at, port.name === '' ? EMPTY_LIST : [port.name], 0));
        }
      }
    }
    return [...specs.values()];
  }

  /** Which pods skip which redirected frontends, in the order of the pods' names. */
  skipRedirects(): SkipRedirects[] {
    const byPod = new Map<string, ScopedAddress[]>();
    if (!this.#options.netnsCookie) return [];
    for (const { policy, target } of this.#policies.values()) {
      if (!policy.skipRedirectFromBackend) continue;
      const entry = this.#tables.entry(target);
      const frontends = [...(entry?.frontends ?? []), ...(entry?.redirectedFrom ?? [])];
      for (const pod of this.#podsOf(policy)) {
        if (this.#isOlder && !pod.ready) continue;
        const name = nameOf(pod);
        byPod.set(name, [...(byPod.get(name) ?? []), ...frontends]);
      }
    }
    return [...byPod]
      .map(([pod, frontends]) => ({ pod, frontends: frontends.sort(tableOrder) }))
      .filter(({ frontends }) => frontends.length > 0)
      .sort((a, b) => compareText(a.pod, b.pod));
  }
}

function addressFrontends(policy: LocalRedirectPolicyObject): FrontendSpec[] {
  const named = policy.frontendType === 'addr-named-ports';
  return policy.frontendPorts
    .map(({ name, port, protocol }) => ({
      at: new ScopedAddress(policy.address!, port, protocol, Scope.EXTERNAL),
      type: 'LocalRedirect' as const,
      portName: named ? name : '',
      servicePort: port,
    }))
    .sort((a, b) => tableOrder(a.at, b.at));
}

const sameFrontends = (have: readonly Frontend[], want: readonly FrontendSpec[]): boolean =>
  have.length === want.length &&
  have.every((one, i) => one.key === want[i]!.at.key && one.portName === want[i]!.portName);

/** Whether a policy takes over this frontend of its service. */
function redirects(policy: LocalRedirectPolicyObject, frontend: Frontend): boolean {
  const { frontendPorts, backendPorts } = policy;
  const listed = frontendPorts.some(
    ({ port, protocol }) => port === frontend.servicePort && protocol === frontend.protocol,
  );
  if (frontendPorts.length > 0 && !listed) return false;
  return backendPorts.length <= 1 || backendPorts.some(({ name }) => name === frontend.portName.toLowerCase());
}
