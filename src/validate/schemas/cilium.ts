import type { Schema } from '../schema.ts';
import { anything, list, needing, object, oneOf, text, yes } from './build.ts';

const selector: Schema = object({
  matchExpressions: list(
    object({ key: text, operator: oneOf('In', 'NotIn', 'Exists', 'DoesNotExist'), values: list(text) }, [
      'key',
      'operator',
    ]),
  ),
  matchLabels: {
    type: 'object',
    additionalProperties: { type: 'string', maxLength: 63, pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$' },
  },
});

/** A number 0..65535 or a service name; the alternatives lack a group, so the number is anchored at its start only. */
export const PORT_PATTERN =
  '^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$';

const port: Schema = object(
  {
    endPort: { type: 'integer', format: 'int32', minimum: 0, maximum: 65535 },
    port: { type: 'string', pattern: PORT_PATTERN },
    protocol: oneOf('TCP', 'UDP', 'SCTP', 'ANY'),
  },
  ['port'],
);

const cidr: Schema = { type: 'string', format: 'cidr' };
const GROUP_NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$';
const cidrRule: Schema = object(
  {
    cidr,
    cidrGroupRef: { type: 'string', maxLength: 253, pattern: GROUP_NAME },
    cidrGroupSelector: selector,
    except: list(cidr),
  },
  undefined,
  { oneOf: needing('cidr', 'cidrGroupRef', 'cidrGroupSelector') },
);

const ICMP_NAMES =
  `EchoReply DestinationUnreachable Redirect Echo RouterAdvertisement RouterSelection TimeExceeded ParameterProblem
  Timestamp TimestampReply Photuris ExtendedEchoRequest ExtendedEcho_Reply PacketTooBig ParameterProblem EchoRequest
  MulticastListenerQuery MulticastListenerReport MulticastListenerDone RouterSolicitation RouterAdvertisement
  NeighborSolicitation NeighborAdvertisement RedirectMessage RouterRenumbering ICMPNodeInformationQuery
  ICMPNodeInformationResponse InverseNeighborDiscoverySolicitation InverseNeighborDiscoveryAdvertisement
  HomeAgentAddressDiscoveryRequest HomeAgentAddressDiscoveryReply MobilePrefixSolicitation MobilePrefixAdvertisement
  DuplicateAddressRequestCodeSuffix DuplicateAddressConfirmationCodeSuffix`
    .split(/\s+/)
    // The schema has a blank in this one name, which no object can have.
    .map((name) => name.replace('_', ' '))
    .join('|');

const icmps: Schema = list(
  object({
    fields: list(
      object(
        {
          family: oneOf('IPv4', 'IPv6'),
          type: {
            'x-kubernetes-int-or-string': true,
            anyOf: [{ type: 'integer' }, { type: 'string' }],
            pattern: `^([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]|${ICMP_NAMES})$`,
          },
        },
        ['type'],
      ),
      { maxItems: 40 },
    ),
  }),
);

const entities: Schema = list(
  oneOf(
    'all',
    'world',
    'cluster',
    'host',
    'init',
    'ingress',
    'unmanaged',
    'remote-node',
    'health',
    'none',
    'kube-apiserver',
  ),
);

const dnsMatch: Schema = object(
  {
    matchName: { type: 'string', maxLength: 255, pattern: '^([-a-zA-Z0-9_]+[.]?)+$' },
    matchPattern: { type: 'string', maxLength: 255, pattern: '^([-a-zA-Z0-9_*]+[.]?)+$' },
  },
  undefined,
  { oneOf: needing('matchName', 'matchPattern') },
);

const secret: Schema = object({ name: text, namespace: text }, ['name']);
const tls: Schema = object({ certificate: text, privateKey: text, secret, trustedCA: text }, ['secret']);

const http: Schema = object({
  headerMatches: list(
    object(
      {
        mismatch: oneOf('LOG', 'ADD', 'DELETE', 'REPLACE'),
        name: { type: 'string', minLength: 1 },
        secret,
        value: text,
      },
      ['name'],
    ),
  ),
  headers: list(text),
  host: { type: 'string', format: 'idn-hostname' },
  method: text,
  path: text,
});

const kafka: Schema = object({
  apiKey: text,
  apiVersion: text,
  clientID: text,
  role: oneOf('produce', 'consume'),
  topic: { type: 'string', maxLength: 255 },
});

const l7Rules: Schema = object(
  {
    dns: list(dnsMatch),
    http: list(http),
    kafka: list(kafka),
    l7: list({ type: 'object', additionalProperties: text }),
    l7proto: text,
  },
  undefined,
  { oneOf: needing('http', 'kafka', 'dns', 'l7proto') },
);

const listener: Schema = object(
  {
    envoyConfig: object(
      {
        kind: oneOf('CiliumEnvoyConfig', 'CiliumClusterwideEnvoyConfig'),
        name: { type: 'string', minLength: 1 },
      },
      ['name'],
    ),
    name: { type: 'string', minLength: 1 },
    priority: { type: 'integer', minimum: 1, maximum: 100 },
  },
  ['envoyConfig', 'name'],
);

const toPorts: Schema = list(
  object({
    listener,
    originatingTLS: tls,
    ports: list(port, { maxItems: 40 }),
    rules: l7Rules,
    serverNames: list(text, { minItems: 1, 'x-kubernetes-list-type': 'set' }),
    terminatingTLS: tls,
  }),
);

const toPortsDeny: Schema = list(object({ ports: list(port) }));

const groups: Schema = list(
  object({
    aws: object({
      labels: { type: 'object', additionalProperties: text },
      region: text,
      securityGroupsIds: list(text),
      securityGroupsNames: list(text),
    }),
  }),
);

const services: Schema = list(
  object({
    k8sService: object({ namespace: text, serviceName: text }),
    k8sServiceSelector: object({ namespace: text, selector }, ['selector']),
  }),
);

const authentication: Schema = object({ mode: oneOf('disabled', 'required', 'test-always-fail') }, ['mode']);

const peers = (prefix: 'from' | 'to'): Record<string, Schema> => ({
  [`${prefix}CIDR`]: list(cidr),
  [`${prefix}CIDRSet`]: list(cidrRule),
  [`${prefix}Endpoints`]: list(selector),
  [`${prefix}Entities`]: entities,
  [`${prefix}Groups`]: groups,
  [`${prefix}Nodes`]: list(selector),
  [`${prefix}Requires`]: list(selector),
  icmps,
});

const spec: Schema = object(
  {
    description: text,
    egress: list(object({ ...peers('to'), authentication, toFQDNs: list(dnsMatch), toPorts, toServices: services })),
    egressDeny: list(object({ ...peers('to'), toPorts: toPortsDeny, toServices: services })),
    enableDefaultDeny: object({ egress: yes, ingress: yes }),
    endpointSelector: selector,
    ingress: list(object({ ...peers('from'), authentication, toPorts })),
    ingressDeny: list(object({ ...peers('from'), toPorts: toPortsDeny })),
    labels: list(object({ key: text, source: text, value: text }, ['key'])),
    log: object({ value: { type: 'string', maxLength: 32, pattern: '^\\PC*$' } }),
    nodeSelector: selector,
  },
  undefined,
  {
    anyOf: needing('ingress', 'ingressDeny', 'egress', 'egressDeny'),
    oneOf: needing('endpointSelector', 'nodeSelector'),
  },
);

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy of 1.18: one schema. */
export const CILIUM_POLICY: Schema = object(
  { apiVersion: text, kind: text, metadata: anything, spec, specs: list(spec), status: anything },
  ['metadata'],
);

const portInfo: Schema = object(
  {
    name: { type: 'string', pattern: '^([0-9]{1,4})|([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*$' },
    port: {
      type: 'string',
      pattern: '^()([1-9]|[1-5]?[0-9]{2,4}|6[1-4][0-9]{3}|65[1-4][0-9]{2}|655[1-2][0-9]|6553[1-5])$',
    },
    protocol: oneOf('TCP', 'UDP'),
  },
  ['port', 'protocol'],
);

const OCTET = '([0-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5])';
/** The real pattern also spells out IPv6; here any text with a colon passes, and the agent reads the address anyway. */
const IP = `^\\s*((${OCTET}\\.){3}${OCTET}|[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+(%.+)?)\\s*$`;

/** CiliumLocalRedirectPolicy. */
export const LOCAL_REDIRECT_POLICY: Schema = object(
  {
    apiVersion: text,
    kind: text,
    metadata: anything,
    spec: object(
      {
        description: text,
        redirectBackend: object({ localEndpointSelector: selector, toPorts: list(portInfo) }, [
          'localEndpointSelector',
          'toPorts',
        ]),
        redirectFrontend: object(
          {
            addressMatcher: object({ ip: { type: 'string', pattern: IP }, toPorts: list(portInfo) }, ['ip', 'toPorts']),
            serviceMatcher: object({ namespace: text, serviceName: text, toPorts: list(portInfo) }, [
              'namespace',
              'serviceName',
            ]),
          },
          undefined,
          { oneOf: needing('addressMatcher', 'serviceMatcher') },
        ),
        skipRedirectFromBackend: yes,
      },
      ['redirectBackend', 'redirectFrontend'],
    ),
    status: anything,
  },
  ['metadata'],
);
