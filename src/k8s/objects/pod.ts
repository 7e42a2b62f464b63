import { type IpAddress, tryParseAddress } from '../../net/address.ts';
import { each, flag, integer, list, metadataOf, type Raw, stringMap, text, type Warning, within } from './fields.ts';
import { readProtocol } from './service.ts';

export interface ContainerPort {
  readonly name: string;
  readonly containerPort: number;
  /** 0 for none. */
  readonly hostPort: number;
  readonly hostIp: string;
  readonly protocol: number;
  /** Declared by an init container. */
  readonly init: boolean;
}

export interface PodObject {
  readonly kind: 'Pod';
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly nodeName: string;
  readonly hostNetwork: boolean;
  readonly phase: string;
  readonly deleting: boolean;
  /** Condition `Ready` is True. */
  readonly ready: boolean;
  readonly addresses: readonly IpAddress[];
  /** Init containers' first, then the containers', each as listed. */
  readonly ports: readonly ContainerPort[];
}

function readPorts(spec: Raw, key: string, init: boolean, into: ContainerPort[]): void {
  each(spec, key, (container) =>
    each(container, 'ports', (port) => {
      into.push({
        name: text(port, 'name'),
        containerPort: integer(port, 'containerPort', 1, 65535, 0),
        hostPort: integer(port, 'hostPort', 0, 65535, 0),
        hostIp: text(port, 'hostIP'),
        protocol: readProtocol(port),
        init,
      });
    }),
  );
}

/** Pod addresses: `status.podIPs`, else `status.podIP`; those that do not parse are skipped. */
function readAddresses(status: Raw): readonly IpAddress[] {
  const texts: string[] = [];
  each(status, 'podIPs', (entry) => texts.push(text(entry, 'ip')));
  if (texts.length === 0) texts.push(text(status, 'podIP'));
  return texts.map((one) => tryParseAddress(one)).filter((address) => address !== undefined);
}

function isReady(status: Raw): boolean {
  let ready = false;
  each(status, 'conditions', (entry) => {
    if (text(entry, 'type') === 'Ready') ready = text(entry, 'status') === 'True';
  });
  return ready;
}

/** Reads a Pod. @throws LbtwinError `invalid-object` with the path into it */
export function readPod(raw: Raw, _warnings: Warning[]): PodObject {
  const { name, namespace, metadata } = metadataOf(raw);
  const ports: ContainerPort[] = [];
  const { nodeName, hostNetwork } = within(raw, 'spec', (spec) => {
    readPorts(spec, 'initContainers', true, ports);
    readPorts(spec, 'containers', false, ports);
    return { nodeName: text(spec, 'nodeName'), hostNetwork: flag(spec, 'hostNetwork') ?? false };
  });
  return {
    kind: 'Pod',
    namespace,
    name,
    uid: text(metadata, 'uid'),
    labels: within(raw, 'metadata', () => stringMap(metadata, 'labels')),
    nodeName,
    hostNetwork,
    phase: within(raw, 'status', (status) => text(status, 'phase')),
    deleting: metadata['deletionTimestamp'] !== undefined && metadata['deletionTimestamp'] !== null,
    ready: within(raw, 'status', isReady),
    addresses: within(raw, 'status', readAddresses),
    ports,
  };
}

export interface NodeObject {
  readonly kind: 'Node' | 'CiliumNode';
  readonly namespace: '';
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Internal addresses first, then external ones, each as listed. */
  readonly addresses: readonly IpAddress[];
}

function nodeAddresses(entries: readonly unknown[], addressKey: string): readonly IpAddress[] {
  const internal: IpAddress[] = [];
  const external: IpAddress[] = [];
  for (const entry of entries) {
    if (typeof entry !== 'object' || entry === null) continue;
    const type = text(entry as Raw, 'type');
    const address = tryParseAddress(text(entry as Raw, addressKey));
    if (address === undefined) continue;
    if (type === 'InternalIP') internal.push(address);
    else if (type === 'ExternalIP') external.push(address);
  }
  return [...internal, ...external];
}

/** Reads a Node or a CiliumNode. @throws LbtwinError `invalid-object` with the path into it */
export function readNode(raw: Raw, _warnings: Warning[]): NodeObject {
  const { name, metadata } = metadataOf(raw, true);
  const labels = within(raw, 'metadata', () => stringMap(metadata, 'labels'));
  const cilium = raw['kind'] === 'CiliumNode';
  const addresses = cilium
    ? within(raw, 'spec', (spec) => nodeAddresses(list(spec, 'addresses'), 'ip'))
    : within(raw, 'status', (status) => nodeAddresses(list(status, 'addresses'), 'address'));
  return { kind: cilium ? 'CiliumNode' : 'Node', namespace: '', name, labels, addresses };
}
