import { type ChangeReport, ControlPlane, type ControlPlaneInit } from '../k8s/control-plane.ts';
import type { EndpointSliceObject } from '../k8s/objects/endpointslice.ts';
import { isRecord, type ObjectRef, type Warning } from '../k8s/objects/fields.ts';
import type { NodeObject, PodObject } from '../k8s/objects/pod.ts';
import { decodeObjects, type KnownObject } from '../k8s/objects/read.ts';
import type { ServiceObject } from '../k8s/objects/service.ts';
import { DEFAULT_OPTIONS } from '../k8s/options.ts';
import { LINT_RULES, type LintFinding, type LintRule, type Report } from './finding.ts';
import { type Cluster, lintHostPorts, lintServices } from './objects.ts';
import { lintRedirects } from './redirects.ts';

const isRule = (code: string): code is LintRule => Object.hasOwn(LINT_RULES, code);

/**
 * What the owners of these objects should know: everything here follows from the objects and the configuration alone.
 * Findings are in the order of severity, then of objects. `init` is the configuration; its `nodeName` is not looked at.
 */
export function lintObjects(raws: Iterable<unknown>, init: ControlPlaneInit = {}): LintFinding[] {
  const objects = [...raws];
  const decoded = decodeObjects(objects);
  const findings = new Map<string, LintFinding>();
  const report: Report = (rule, severity, object, path, message, nodes = []) => {
    const key = JSON.stringify([rule, object, path, message]);
    const known = findings.get(key);
    const all = known === undefined ? nodes : [...new Set([...known.nodes, ...nodes])].sort();
    findings.set(key, { rule, severity, object, path, message, nodes: all });
  };
  for (const { object, error } of decoded.refused) {
    report(
      'object-refused',
      'error',
      object,
      error.path,
      error.allowed === undefined ? error.reason : `${error.reason} (allowed: ${error.allowed})`,
    );
  }
  const { maps: _maps, fault: _fault, ...options } = init;
  const cluster = clusterOf(decoded.objects, options);
  lintServices(cluster, report);
  lintHostPorts(cluster, report);
  lintRedirects(decoded.objects, cluster, report);
  lintPlanes(cluster, objects, options, report);
  return [...findings.values()].sort(byImportance);
}

const SEVERITIES = ['error', 'warning', 'info'];

const byImportance = (a: LintFinding, b: LintFinding): number =>
  SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
  compare(a.object.kind, b.object.kind) ||
  compare(a.object.namespace, b.object.namespace) ||
  compare(a.object.name, b.object.name) ||
  compare(a.rule, b.rule);

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function clusterOf(objects: readonly KnownObject[], options: ControlPlaneInit): Cluster {
  const services: ServiceObject[] = [];
  const slices = new Map<string, EndpointSliceObject[]>();
  const nodes: NodeObject[] = [];
  const pods: PodObject[] = [];
  for (const object of objects) {
    if (object.kind === 'Service') services.push(object);
    else if (object.kind === 'Pod') pods.push(object);
    else if (object.kind === 'Node') nodes.push(object);
    else if (object.kind === 'EndpointSlice' && object.service !== '') {
      const service = `${object.namespace}/${object.service}`;
      const known = slices.get(service);
      if (known === undefined) slices.set(service, [object]);
      else known.push(object);
    }
  }
  return { services, slices, nodes, pods, options: { ...DEFAULT_OPTIONS, ...options } };
}

/** Nodes whose pods have hostPorts, and one node for everything that is the same on all. */
function nodesToRun({ nodes, pods }: Cluster): string[] {
  const special = pods
    .filter(({ ports }) => ports.some(({ hostPort }) => hostPort > 0))
    .map(({ nodeName }) => nodeName);
  return [...new Set([nodes[0]?.name ?? '', ...special])];
}

/** What shows only when a control plane runs: conflicts, collisions in the maps, refused frontends, used-up ids. */
function lintPlanes(cluster: Cluster, objects: readonly unknown[], options: ControlPlaneInit, report: Report): void {
  for (const nodeName of nodesToRun(cluster)) {
    const plane = new ControlPlane({ ...options, nodeName });
    const changes = plane.apply(objects.filter((raw) => !isRecord(raw) || raw['kind'] !== 'EndpointSlice'));
    const where = nodeName === '' ? [] : [nodeName];
    changes.warnings.forEach((warning) => told(warning, report));
    lintConflicts(changes, where, report);
    lintMaps(plane, where, report);
  }
}

function told({ code, object, path, message }: Warning, report: Report): void {
  if (isRule(code)) report(code, 'warning', object, path, message);
}

function lintConflicts({ conflicts }: ChangeReport, where: readonly string[], report: Report): void {
  for (const { object, address, owner } of conflicts) {
    const nodes = object.kind === 'Pod' ? where : [];
    report(
      'address-conflict',
      'error',
      object,
      [],
      `${address} belongs to ${owner}: nothing of this object takes effect`,
      nodes,
    );
  }
}

function lintMaps(plane: ControlPlane, where: readonly string[], report: Report): void {
  const owners = new Map<string, string>();
  const entries = plane.mapFrontends;
  for (const { address, frontend } of entries) {
    const owner = owners.get(address);
    const { name } = frontend.entry;
    if (owner !== undefined && owner !== name) {
      const message = `${address} is also an entry of ${owner}: the one written last wins`;
      report('map-address-collision', 'error', serviceRef(name), [], message, where);
    }
    owners.set(address, name);
  }
  for (const { key, entry, status, error } of plane.frontends) {
    if (status === 'Error' && error !== 'no service id left') {
      report('frontend-not-written', 'error', serviceRef(entry.name), [], `${key}: ${error}`);
    }
  }
  const refused = plane.frontends.filter(({ error }) => error === 'no service id left');
  if (refused.length > 0) {
    const message = `${entries.length} ids are in use on the node, and ${refused.length} frontends got none, this one first: ${refused[0]!.key}`;
    report('service-ids-exhausted', 'error', serviceRef(refused[0]!.entry.name), [], message, where);
  }
}

function serviceRef(name: string): ObjectRef {
  const slash = name.indexOf('/');
  return { kind: 'Service', namespace: name.slice(0, slash), name: name.slice(slash + 1) };
}
