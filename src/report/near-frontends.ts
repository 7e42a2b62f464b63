import { healthChecksOf, healthCheckText } from '../cluster/host-reason.ts';
import type { FlowAnswer } from '../k8s/flow-question.ts';
import type { Frontend } from '../k8s/model.ts';
import { isFamilyEnabled } from '../k8s/services.ts';
import { compareAddresses, formatAddress, type IpAddress, isUnspecified, sameAddress } from '../net/address.ts';
import { formatL4Address } from '../net/endpoint.ts';
import { indented, textTable } from './table.ts';

const MAX = 8;

const row = (frontend: Frontend): string[] => [frontend.key, frontend.type, frontend.entry.name, frontend.portName];

/** That a node serves NodePorts, but not at this address of its. */
export const elsewhere = (node: string, address: IpAddress, served: readonly IpAddress[]): string =>
  `${formatAddress(address)} is an address of ${node}, which serves NodePorts ${
    served.length === 0 ? 'at none of its addresses' : `at ${served.map(formatAddress).join(', ')} only`
  } (nodePort.addresses)`;

/** What to say when an address is no frontend: what it is instead, and which frontends come near. */
export function nearFrontends({ to, controlPlane, inventory }: FlowAnswer): string {
  const { frontends } = controlPlane;
  const list = (title: string, found: readonly Frontend[]): string => {
    const more = found.length > MAX ? `  … and ${found.length - MAX} more\n` : '';
    return `${title}\n${indented(textTable(found.slice(0, MAX).map(row)))}${more}`;
  };
  const none = `there is no frontend ${formatL4Address(to)}\n`;
  const text = controlPlane.options.kubeProxyReplacement
    ? none
    : `${none}only cluster IPs are frontends in this configuration (kubeProxyReplacement is not true): kube-proxy serves the rest\n`;
  const node = inventory.nodeOf(to.address);
  const same = frontends.filter((one) => compareAddresses(one.address, to.address) === 0);
  if (same.length > 0) return text + list(`frontends of ${formatAddress(to.address)}:`, same);
  if (node !== undefined) {
    const wildcard = frontends.filter((one) => isUnspecified(one.address) && one.address.family === to.address.family);
    const check = healthChecksOf({ name: node, plane: controlPlane }).find(({ port }) => port === to.port);
    if (check !== undefined) return `${text}${healthCheckText(check)}\n`;
    const served = controlPlane.nodePortAddresses.filter(({ family }) => family === to.address.family);
    if (wildcard.some(({ port }) => port === to.port) && !served.some((one) => sameAddress(one, to.address))) {
      return `${text}${elsewhere(node, to.address, served)}\n`;
    }
    if (wildcard.length === 0) return `${text}the address is node ${node}'s, and there are no NodePorts\n`;
    return text + list(`the address is node ${node}'s; its NodePorts and hostPorts:`, wildcard);
  }
  const nodePort = frontends.find((one) => isUnspecified(one.address) && one.port === to.port);
  if (nodePort !== undefined) {
    const nodes = [...inventory.nodes.values()].flatMap(({ addresses }) => addresses);
    const hint = nodes.length > 0 ? nodes.slice(0, MAX).join(', ') : 'Node objects are missing from the input';
    return `${text}${to.port} is a NodePort of ${nodePort.entry.name}, reached at the nodes' addresses: ${hint}\n`;
  }
  const pod = inventory.podOf(to.address);
  if (pod !== undefined) {
    const services = new Set<string>();
    for (const backend of controlPlane.backends) {
      if (compareAddresses(backend.address, to.address) !== 0) continue;
      for (const { entry } of backend.instances) services.add(entry.name);
    }
    const behind = services.size > 0 ? `, a backend of ${[...services].join(', ')}` : '';
    return `${text}${formatAddress(to.address)} is pod ${pod.name ?? '(unnamed)'}${behind}: it is reached directly\n`;
  }
  const port = frontends.filter((one) => one.port === to.port && one.address.family === to.address.family);
  if (port.length > 0) return text + list(`frontends with port ${to.port}:`, port);
  if (!isFamilyEnabled(to.address.family, controlPlane.options)) {
    const { family } = to.address;
    return `${text}IPv${family} is off in this configuration (ipv${family}.enabled)\n`;
  }
  if (frontends.length === 0) return `${text}there are no frontends at all: no service of the objects has an address\n`;
  return text + list('frontends there are:', frontends);
}
