import type { ErrorPath } from '../errors.ts';
import { AuthType, type DirectionName } from './layout.ts';
import { LabelSource } from './labels.ts';
import { Raw } from './raw.ts';
import { readPeers } from './read-peers.ts';
import { readIcmps, readToPorts } from './read-ports.ts';
import { namespaceIs, readSelector, type Scope } from './read-selector.ts';
import type { ParsedPolicy, PolicyNotice, PolicyOrigin, PolicyParseOptions, PolicyRule, SectionRule } from './rule.ts';
import { type Requirement, selectorOf } from './selector.ts';

const AUTH_MODES: Readonly<Record<string, number>> = {
  disabled: AuthType.DISABLED,
  required: AuthType.REQUIRED,
  'test-always-fail': AuthType.ALWAYS_FAIL,
};

/** State while one object is read. */
interface Reading {
  readonly origin: PolicyOrigin;
  readonly options: PolicyParseOptions;
  readonly notices: PolicyNotice[];
  groups: boolean;
}

/**
 * Reads a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy as the agent does: its checks, its defaults, its scoping of
 * selectors. `object` is what YAML or JSON gave.
 * @throws LbtwinError with the agent's reasons as codes (`docs/policy.md`), and the path into the object
 */
export function parseCiliumPolicy(object: unknown, options: PolicyParseOptions = {}): ParsedPolicy {
  const raw = new Raw(object);
  const clusterwide = raw.field('kind').string() === 'CiliumClusterwideNetworkPolicy';
  const metadata = raw.field('metadata');
  const name = metadata.field('name').string() ?? '';
  const origin: PolicyOrigin = {
    kind: clusterwide ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy',
    namespace: clusterwide ? '' : metadata.field('namespace').string() || 'default',
    name,
  };
  const reading: Reading = { origin, options, notices: [], groups: false };
  if (name === '') metadata.field('name').fail('name-missing', 'a policy needs a name');
  const spec = raw.field('spec');
  const specs = raw.field('specs').list();
  if (spec.missing && specs === undefined) {
    raw.fail('no-spec-and-no-specs', 'a policy needs a spec or specs', 'spec, specs, or both');
  }
  const all = [...(spec.missing ? [] : [spec]), ...(specs ?? [])];
  const rules = all.map((item) => readRule(item, reading));
  if (reading.groups) {
    reading.notices.push({
      code: 'groups-need-operator',
      message: 'a rule names provider groups: the object is skipped, the operator writes another one in its place',
      origin,
      path: [],
    });
    return { origin, rules: [], notices: reading.notices };
  }
  return { origin, rules, notices: reading.notices };
}

function readRule(raw: Raw, reading: Reading): PolicyRule {
  const { origin } = reading;
  raw.object();
  raw.field('description').string();
  const sections = ['ingress', 'ingressDeny', 'egress', 'egressDeny'].map(
    (name) => raw.field(name).list()?.length ?? 0,
  );
  if (sections.every((length) => length === 0)) {
    raw.fail('no-rule-section', 'a rule needs ingress, ingressDeny, egress or egressDeny');
  }
  const endpoint = raw.field('endpointSelector');
  const node = raw.field('nodeSelector');
  if (endpoint.missing && node.missing) {
    raw.fail('no-subject-selector', 'a rule needs an endpointSelector or a nodeSelector');
  }
  if (!endpoint.missing && !node.missing) {
    raw.fail('two-subject-selectors', 'endpointSelector and nodeSelector are both given', 'one of the two');
  }
  const forNodes = endpoint.missing;
  const written = readSelector(forNodes ? node : endpoint);
  const wanted = raw.field('enableDefaultDeny');
  const defaultDeny = {
    ingress: wanted.field('ingress').boolean() ?? sections[0]! + sections[1]! > 0,
    egress: wanted.field('egress').boolean() ?? sections[2]! + sections[3]! > 0,
  };
  const scope: Scope = {
    namespace: origin.namespace,
    matchesInit: written.some(({ source, key }) => source === LabelSource.RESERVED && key === 'init'),
    ...(reading.options.defaultLocalCluster === true ? { localCluster: reading.options.clusterName ?? 'default' } : {}),
  };
  const read = (direction: DirectionName): SectionRule[] =>
    [false, true].flatMap((deny) =>
      (raw.field(`${direction}${deny ? 'Deny' : ''}`).list() ?? []).map((item) =>
        readSection(item, direction, deny, { reading, scope, forNodes, defaultDeny: defaultDeny[direction] }),
      ),
    );
  const [ingress, egress] = [read('ingress'), read('egress')];
  if (forNodes && origin.namespace !== '') {
    node.fail('node-selector-in-namespaced-policy', 'a namespaced policy cannot select nodes');
  }
  return {
    origin,
    path: raw.path,
    subject: selectorOf(subjectRequirements(written, forNodes ? node.path : endpoint.path, reading)),
    forNodes,
    ingress,
    egress,
    defaultDeny,
  };
}

/** A namespaced policy selects pods of its own namespace, whatever its selector says about namespaces. */
function subjectRequirements(written: readonly Requirement[], path: ErrorPath, reading: Reading): Requirement[] {
  const { origin, notices } = reading;
  if (origin.namespace === '') return [...written];
  const own = namespaceIs(origin.namespace);
  const kept = written.filter(({ source, key, operator, values }) => {
    const replaced = source === own.source && key === own.key && operator === 'In' && values.length === 1;
    if (replaced && values[0] !== origin.namespace) {
      notices.push({
        code: 'subject-namespace-overwritten',
        message: `the selector names namespace ${values[0]}, but a policy selects pods of its own namespace only`,
        origin,
        path,
      });
    }
    return !replaced;
  });
  return [...kept, own];
}

interface SectionContext {
  readonly reading: Reading;
  readonly scope: Scope;
  readonly forNodes: boolean;
  readonly defaultDeny: boolean;
}

function readSection(raw: Raw, direction: DirectionName, deny: boolean, context: SectionContext): SectionRule {
  const { reading, scope, forNodes, defaultDeny } = context;
  const { options, origin } = reading;
  raw.object();
  const ingress = direction === 'ingress';
  const { groups, ...lists } = readPeers(raw, ingress ? 'from' : 'to', deny, scope, options);
  reading.groups ||= groups;
  const icmpList = raw.field('icmps');
  const hasIcmps = (icmpList.list()?.length ?? 0) > 0;
  if (hasIcmps && options.icmpRules === false) icmpList.fail('icmp-rules-disabled', 'icmps need enable-icmp-rules');
  if (hasIcmps && (raw.field('toPorts').list()?.length ?? 0) > 0) {
    raw.fail('icmp-and-ports-in-one-rule', 'icmps and toPorts cannot be combined', 'one of the two');
  }
  const toPorts = readToPorts(raw.field('toPorts'), { ingress, deny, forNodes, options, namespace: origin.namespace });
  const icmps = readIcmps(icmpList);
  const auth = deny ? undefined : readAuth(raw.field('authentication'));
  return {
    origin,
    direction,
    deny,
    path: raw.path,
    ...lists,
    defaultDeny,
    ...(toPorts === undefined ? {} : { toPorts }),
    ...(icmps === undefined ? {} : { icmps }),
    ...(auth === undefined ? {} : { auth }),
  };
}

/** A mode that the agent does not know counts as none; the API server refuses it. */
function readAuth(raw: Raw): number | undefined {
  if (raw.missing) return undefined;
  return AUTH_MODES[raw.field('mode').string() ?? ''];
}
