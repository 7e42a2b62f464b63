import type { DatapathConfig } from '../config/index.ts';
import { type ErrorPath, LbtwinError } from '../errors.ts';
import { parseCiliumPolicy, parseNetworkPolicy, policyConfigOf, type PolicyParseOptions } from '../policy/index.ts';
import { decodeObjects } from '../k8s/index.ts';
import { checkKubernetesRules } from './kubernetes.ts';
import { type Schema, type SchemaError, unknownFields, validateSchema } from './schema.ts';
import { CILIUM_POLICY, LOCAL_REDIRECT_POLICY } from './schemas/cilium.ts';
import { ENDPOINT_SLICE, NETWORK_POLICY, NODE, POD, SERVICE } from './schemas/kubernetes.ts';

/** What the API server's answer was made from. */
export type SchemaSource =
  /** The schema of the custom resource, 1.18's. */
  | 'cilium 1.18 CRD'
  /** The schema of the user's own cluster. */
  | 'own CRD'
  /** The rules that Kubernetes publishes; the messages were not recorded. */
  | 'published API rules';

export interface AgentRefusal {
  /** Stable, kebab-case; docs/validation.md lists them. */
  readonly code: string;
  readonly message: string;
  readonly allowed: string | undefined;
  readonly path: ErrorPath;
}

export interface ObjectVerdict {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
  /** Stage 1: the API server. Empty: it stores the object. */
  readonly schema: readonly SchemaError[];
  readonly schemaSource: SchemaSource;
  /** Fields that the API server drops, or refuses under strict field validation. */
  readonly unknown: readonly ErrorPath[];
  /** Stage 2: the agent, asked even if stage 1 refuses. Undefined: it accepts. */
  readonly agent: AgentRefusal | undefined;
  /** What else the agent would log or ignore. */
  readonly notices: readonly { readonly code: string; readonly message: string; readonly path: ErrorPath }[];
  /** True if the object takes effect: both accept. */
  readonly effective: boolean;
}

export interface ValidateOptions {
  readonly policy?: PolicyParseOptions;
  /** Schemas of the user's cluster by kind; see `schemasOfCrds`. */
  readonly schemas?: ReadonlyMap<string, Schema>;
}

const CILIUM: Readonly<Record<string, Schema>> = {
  CiliumNetworkPolicy: CILIUM_POLICY,
  CiliumClusterwideNetworkPolicy: CILIUM_POLICY,
  CiliumLocalRedirectPolicy: LOCAL_REDIRECT_POLICY,
};

const KUBERNETES: Readonly<Record<string, Schema>> = {
  Service: SERVICE,
  EndpointSlice: ENDPOINT_SLICE,
  Node: NODE,
  Pod: POD,
  NetworkPolicy: NETWORK_POLICY,
};

/** Kinds that can be validated. */
export const VALIDATED_KINDS: readonly string[] = [...Object.keys(CILIUM), ...Object.keys(KUBERNETES)];

/** What of the configuration decides about policy objects. */
export function policyOptionsOf(config: DatapathConfig): PolicyParseOptions {
  return policyConfigOf(config);
}

const ALWAYS_KNOWN: readonly string[] = ['apiVersion', 'kind', 'metadata'];

type Notices = ObjectVerdict['notices'];

function askAgent(kind: string, object: unknown, options: ValidateOptions): Notices {
  switch (kind) {
    case 'CiliumNetworkPolicy':
    case 'CiliumClusterwideNetworkPolicy':
      return parseCiliumPolicy(object, options.policy).notices;
    case 'NetworkPolicy':
      return parseNetworkPolicy(object, options.policy).notices;
    default: {
      const { refused, warnings } = decodeObjects([object]);
      // Of a Kubernetes kind the agent sees only what the API server took: what does not decode is told by stage 1.
      if (kind === 'CiliumLocalRedirectPolicy' && refused.length > 0) throw refused[0]!.error;
      return warnings;
    }
  }
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function stageOne(
  kind: string,
  object: unknown,
  own: Schema | undefined,
): Pick<ObjectVerdict, 'schema' | 'schemaSource' | 'unknown'> {
  const cilium = own ?? CILIUM[kind];
  if (cilium !== undefined) {
    const schemaSource = own === undefined ? 'cilium 1.18 CRD' : 'own CRD';
    // Every object has these, whether its schema names them or not.
    const unknown = unknownFields(cilium, object).filter(([root]) => !ALWAYS_KNOWN.includes(String(root)));
    return { schema: validateSchema(cilium, object), schemaSource, unknown };
  }
  const schema = KUBERNETES[kind]!;
  const types = validateSchema(schema, object);
  return {
    // Values of the wrong type fail while decoding: nothing else is looked at then.
    schema: types.some((error) => error.kind === 'type') ? types : [...types, ...checkKubernetesRules(kind, object)],
    schemaSource: 'published API rules',
    unknown: unknownFields(schema, object),
  };
}

/**
 * Validates one object in two stages: what the API server says, and what the agent says of it afterwards. `object` is what YAML or
 * JSON gave. @throws LbtwinError `unknown-kind`, `invalid-schema-pattern`
 */
export function validateObject(object: unknown, options: ValidateOptions = {}): ObjectVerdict {
  const root = record(object);
  const kind = textOf(root['kind']) ?? '';
  const own = options.schemas?.get(kind);
  if (own === undefined && CILIUM[kind] === undefined && KUBERNETES[kind] === undefined) {
    throw new LbtwinError('unknown-kind', `${JSON.stringify(root['kind'] ?? '')} is no kind that lbtwin validates`, {
      path: ['kind'],
      allowed: VALIDATED_KINDS.join(', '),
    });
  }
  let agent: AgentRefusal | undefined;
  let notices: Notices = [];
  try {
    notices = askAgent(kind, object, options);
  } catch (error) {
    if (!(error instanceof LbtwinError)) throw error;
    agent = { code: error.code, message: error.reason, allowed: error.allowed, path: error.path };
  }
  const metadata = record(root['metadata']);
  const first = stageOne(kind, object, own);
  return {
    kind,
    namespace: textOf(metadata['namespace']),
    name: textOf(metadata['name']) ?? '',
    ...first,
    agent,
    notices,
    effective: first.schema.length === 0 && agent === undefined,
  };
}
