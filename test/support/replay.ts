import { createHash } from 'node:crypto';
import { LbMaps } from '../../src/lb/maps.ts';
import { ControlPlane, type ControlPlaneInit } from '../../src/k8s/control-plane.ts';
import { type Row, backendCells, frontendCells, serviceCells } from '../../src/report/table-rows.ts';
import { u64 } from '../../src/net/u64.ts';

/** Scenarios of the control plane: inputs step by step, with what the tables and maps then hold. */
export interface Scenario {
  readonly name: string;
  readonly flags: Readonly<Record<string, unknown>>;
  readonly harness: Readonly<Record<string, unknown>>;
  readonly steps: readonly Step[];
  readonly [field: string]: unknown;
}

export interface Step {
  readonly op: string;
  readonly [field: string]: unknown;
}

type Setting = (value: unknown) => ControlPlaneInit;

/** Agent options that scenarios set, by their real names. */
const FLAGS: Readonly<Record<string, Setting>> = {
  'bpf-lb-algorithm': (value) => ({ algorithm: value as 'random' | 'maglev' }),
  'node-port-algorithm': (value) => ({ algorithm: value as 'random' | 'maglev' }),
  'bpf-lb-algorithm-annotation': (value) => ({ algorithmAnnotation: value as boolean }),
  'bpf-lb-external-clusterip': (value) => ({ externalClusterIp: value as boolean }),
  'bpf-lb-maglev-table-size': (value) => ({ maglevTableSize: value as number }),
  'bpf-lb-mode': (value) => ({ mode: value as 'snat' | 'dsr' | 'hybrid' }),
  'bpf-lb-mode-annotation': (value) => ({ modeAnnotation: value as boolean }),
  'bpf-lb-maglev-hash-seed': (value) => ({ maglevHashSeed: value as string }),
  'enable-ipv4': (value) => ({ enableIpv4: value as boolean }),
  'enable-ipv6': (value) => ({ enableIpv6: value as boolean }),
  'enable-local-redirect-policy': (value) => ({ localRedirectPolicy: value as boolean }),
  'enable-envoy-config': (value) => ({ envoyConfig: value as boolean }),
  'k8s-service-proxy-name': (value) => ({ serviceProxyName: value as string }),
  'node-port-range': (value) => {
    const [first, last] = String(value).split(',').map(Number);
    return { nodePortRange: [first!, last!] };
  },
  'enable-health-check-nodeport': (value) => ({ healthCheckNodePort: value as boolean }),
  'enable-session-affinity': (value) => ({ sessionAffinity: value as boolean }),
  'enable-svc-source-range-check': (value) => ({ sourceRangeCheck: value as boolean }),
  'cluster-id': () => ({}),
  'cluster-name': (value) => ({ clusterName: value as string }),
};

/** Settings of the recorder that change nothing of what is recorded. */
const WITHOUT_EFFECT = [
  'lb-test-fault-probability',
  'enable-experimental-lb',
  'lb-pressure-metrics-interval',
  'bpf-lb-map-max',
  'lb-state-file',
  'lb-state-file-interval',
  'bpf-lb-source-range-all-types',
  'enable-service-topology',
];

const HARNESS: Readonly<Record<string, Setting>> = {
  nodeName: (value) => ({ nodeName: (value ?? '') as string }),
  enableIPv4: (value) => ({ enableIpv4: value as boolean }),
  enableIPv6: (value) => ({ enableIpv6: value as boolean }),
  kubeProxyReplacement: (value) => ({ kubeProxyReplacement: value as boolean }),
  enableLocalRedirectPolicy: (value) => ({ localRedirectPolicy: value as boolean }),
  enableEnvoyConfig: (value) => ({ envoyConfig: value as boolean }),
  netnsCookieSupport: (value) => ({ netnsCookie: value as boolean }),
  proxyPortAllocator: () => ({ proxyPort: () => 1000 }),
  enableL7Proxy: () => ({}),
  remoteClusters: () => ({}),
  flagDefaults: (value) => flagsOf(value as Record<string, unknown>),
};

function flagsOf(flags: Readonly<Record<string, unknown>>): ControlPlaneInit {
  let init: ControlPlaneInit = {};
  for (const [name, value] of Object.entries(flags)) {
    if (WITHOUT_EFFECT.includes(name)) continue;
    const setting = FLAGS[name];
    if (setting === undefined) throw new Error(`unknown option ${name}`);
    init = { ...init, ...setting(value) };
  }
  return init;
}

export function optionsOf(scenario: Scenario): ControlPlaneInit {
  let init: ControlPlaneInit = { healthCheckNodePort: true };
  for (const [name, value] of Object.entries(scenario.harness)) {
    const setting = HARNESS[name];
    if (setting === undefined) throw new Error(`unknown harness setting ${name}`);
    init = { ...init, ...setting(value) };
  }
  return { ...init, ...flagsOf(scenario.flags) };
}

interface NodeAddressRow {
  readonly addr: string;
  readonly nodePort: boolean;
  readonly primary: boolean;
  readonly device: string;
}

/** Fields of each input step. `from`, `raw`, `duration` and the fields of fixture checks tell where upstream has it from. */
const STEP_FIELDS: Readonly<Record<string, readonly string[]>> = {
  start: [],
  'wait-initialized': [],
  wait: ['duration'],
  'fixture-check': ['pattern', 'fixture', 'result'],
  upsert: ['mode', 'objects', 'from'],
  delete: ['objects', 'from'],
  'node-label': ['labels', 'replaceAll'],
  'node-address': ['action', 'objects'],
  'node-ip': ['ip', 'type'],
  'backend-health': ['service', 'backend', 'healthy'],
  'clustermesh-upsert': ['cluster', 'key', 'object'],
  'clustermesh-delete': ['cluster', 'key'],
  'state-file': ['content', 'from'],
  'table-row': ['table', 'action', 'objects'],
  'table-patch': ['table', 'key', 'textEdits'],
  'maps-snapshot': [],
  'maps-restore': [],
  'restart-reconciler': [],
  prune: [],
};

const keyOf = (object: object): string => {
  const { kind, metadata } = object as { kind: string; metadata: { name: string; namespace?: string } };
  return `${kind} ${metadata.namespace}/${metadata.name}`;
};

/** A control plane that a scenario's input steps drive. */
export class Replay {
  readonly plane: ControlPlane;
  readonly #nodeName: string;
  #addresses: NodeAddressRow[] = [];
  #snapshot: LbMaps | undefined;
  readonly #objects = new Set<string>();

  constructor(init: ControlPlaneInit) {
    this.plane = new ControlPlane({ maps: new LbMaps(), ...init });
    this.#nodeName = init.nodeName ?? '';
  }

  /** Runs an input step and gives it back as the recorder would have written it. Unknown steps and fields throw. */
  run(step: Step): Step {
    const fields = STEP_FIELDS[step.op];
    const unknown = Object.keys(step).find((field) => field !== 'op' && fields?.includes(field) !== true);
    if (unknown !== undefined || fields === undefined) throw new Error(`unknown step ${step.op} ${unknown ?? ''}`);
    const told =
      step.op === 'upsert' ? { mode: this.#modeOf(step) } : step.op === 'node-label' ? { replaceAll: true } : {};
    this.#run(step);
    return { ...step, ...told };
  }

  /** Whether the objects of a step are new. */
  #modeOf(step: Step): string {
    const keys = (step['objects'] as object[]).map(keyOf);
    const isNew = keys.every((key) => !this.#objects.has(key));
    for (const key of keys) this.#objects.add(key);
    return isNew ? 'add' : 'update';
  }

  #run(step: Step): void {
    const { plane } = this;
    switch (step.op) {
      case 'start':
      case 'wait-initialized':
      case 'wait':
      case 'fixture-check':
        return;
      case 'upsert':
        plane.apply((step['objects'] as object[]).map((object) => this.#localPod(object)));
        return;
      case 'delete':
        plane.remove(step['objects'] as Record<string, unknown>[]);
        for (const object of step['objects'] as object[]) this.#objects.delete(keyOf(object));
        return;
      case 'node-label':
        plane.setNode({ labels: { ...(step['replaceAll'] === true ? {} : plane.node.labels), ...labelsOf(step) } });
        return;
      case 'node-address':
        this.#changeAddresses(step['action'] as string, step['objects'] as NodeAddressRow[]);
        return;
      case 'node-ip':
        return;
      case 'backend-health': {
        const { ip, port, proto } = step['backend'] as { ip: string; port: number; proto: string };
        const host = ip.includes(':') ? `[${ip}]` : ip;
        plane.setHealth(step['service'] as string, `${host}:${port}/${proto}`, step['healthy'] as boolean);
        return;
      }
      case 'clustermesh-upsert':
        plane.setClusterService(step['object'] as Record<string, unknown>);
        return;
      case 'clustermesh-delete': {
        const [namespace, name] = (step['key'] as string).split('/').slice(-2);
        plane.removeClusterService(step['cluster'] as string, `${namespace}/${name}`);
        return;
      }
      case 'state-file':
        plane.setStateFile(step['content']);
        return;
      case 'table-row': {
        const [row] = step['objects'] as { podnamespacedname: string; netnscookie: number }[];
        const gone = step['action'] === 'delete';
        plane.setNetnsCookie(row!.podnamespacedname, gone ? undefined : u64(row!.netnscookie));
        return;
      }
      case 'table-patch':
        plane.setNetnsCookie(step['key'] as string, u64(12345));
        return;
      case 'maps-snapshot':
        this.#snapshot = copyMaps(plane.maps, new LbMaps());
        return;
      case 'maps-restore':
        copyMaps(this.#snapshot!, plane.maps);
        return;
      case 'restart-reconciler':
        plane.restart();
        return;
      case 'prune':
        plane.prune();
        return;
      default:
        throw new Error(`unknown step ${step.op}`);
    }
  }

  /** The recorder hands every pod to the one node there is. */
  #localPod(object: object): object {
    const raw = object as Record<string, unknown>;
    if (raw['kind'] !== 'Pod') return object;
    return { ...raw, spec: { ...(raw['spec'] as object), nodeName: this.#nodeName } };
  }

  #changeAddresses(action: string, rows: readonly NodeAddressRow[]): void {
    const key = (row: NodeAddressRow): string => `${row.addr} ${row.device}`;
    const keys = new Set(rows.map(key));
    this.#addresses = this.#addresses.filter((row) => !keys.has(key(row)));
    if (action === 'upsert') this.#addresses.push(...rows);
    else if (action !== 'delete') throw new Error(`unknown action ${action}`);
    this.plane.setNode({
      addresses: this.#addresses.map(({ addr, device, nodePort }) => ({ address: addr, device, nodePort })),
    });
  }

  /** Whether the scenario calls an address of the node primary; nothing depends on it. */
  isPrimary(address: string): boolean {
    return this.#addresses.some(({ addr, primary }) => addr === address && primary);
  }

  /** All rows of a table, in its order. */
  rows(table: string): Row[] {
    const { plane } = this;
    switch (table) {
      case 'services':
        return plane.services.map((service) => serviceCells(service, plane.proxyRedirect(service.name)));
      case 'frontends':
        return plane.frontends.map(frontendCells);
      case 'backends':
        return plane.backends.map(backendCells);
      default:
        throw new Error(`unknown table ${table}`);
    }
  }

  /** Maglev tables as the vectors sum them up, by service id. */
  maglevRows(): unknown[] {
    const { maps } = this.plane;
    const rows = [...maps.v4.maglev.entries(), ...maps.v6.maglev.entries()].map(([id, table]) => ({
      id,
      ipv6: maps.v6.maglev.has(id),
      size: table.length,
      sha256LE32: createHash('sha256').update(littleEndian(table)).digest('hex'),
      head: [...table.subarray(0, 16)],
    }));
    return rows.sort((a, b) => a.id - b.id);
  }
}

const labelsOf = (step: Step): Record<string, string> => step['labels'] as Record<string, string>;

function littleEndian(table: Uint32Array): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4 * table.length));
  table.forEach((id, i) => bytes.setUint32(4 * i, id, true));
  return new Uint8Array(bytes.buffer);
}

/** Adds every entry of `from` to `to`. */
function copyMaps(from: LbMaps, to: LbMaps): LbMaps {
  for (const family of [4, 6] as const) {
    const source = from.of(family);
    const target = to.of(family);
    for (const [key, value] of source.services.entries()) target.services.set(key, value);
    for (const [key, value] of source.backends.entries()) target.backends.set(key, value);
    for (const [key, value] of source.reverseNat.entries()) target.reverseNat.set(key, value);
    for (const range of source.sourceRanges.entries()) target.sourceRanges.add(range);
    for (const [id, table] of source.maglev.entries()) target.maglev.set(id, table);
  }
  for (const [key] of from.affinityMatch.entries()) to.affinityMatch.set(key, true);
  return to;
}
