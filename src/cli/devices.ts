import { LbtwinError } from '../errors.ts';
import { type Cidr, cidrContains, parseCidr } from '../net/cidr.ts';
import { formatAddress, type IpAddress, parseAddress } from '../net/address.ts';
import type { StatusDevice } from '../report/agent/status.ts';
import type { NodeAddressInput } from '../k8s/node-view.ts';

/** Reads `eth0=10.0.0.5,fe80::1`. @throws LbtwinError `invalid-device`, `invalid-address` */
export function parseDevice(text: string): StatusDevice {
  const match = /^([^=\s]+)=(\S+)$/.exec(text);
  if (match === null) {
    throw new LbtwinError('invalid-device', `--device: ${JSON.stringify(text)}`, { allowed: 'NAME=IP[,IP]' });
  }
  const addresses = match[2]!.split(',').map((one) => formatAddress(parseAddress(one)));
  return { name: match[1]!, addresses };
}

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(parseCidr);
const LINK_LOCAL = parseCidr('fe80::/10');

const isPrivate = (address: IpAddress): boolean => PRIVATE.some((cidr) => cidrContains(cidr, address));

/**
 * The addresses of devices with those marked that NodePort frontends get entries for: those in the ranges; without ranges per device and
 * family the node's Kubernetes address if the device has it, else its first private one, else its first public one.
 * @param nodeAddresses of the Node object, canonical texts
 * @param ranges `nodeport-addresses`
 */
export function nodePortAddresses(
  devices: readonly StatusDevice[],
  nodeAddresses: readonly string[],
  ranges: readonly Cidr[],
): NodeAddressInput[] {
  return devices.flatMap(({ name, addresses }) => {
    const parsed = addresses.map((text) => parseAddress(text)).filter((one) => !cidrContains(LINK_LOCAL, one));
    return ([4, 6] as const).flatMap((family) => {
      const own = parsed.filter((address) => address.family === family);
      const chosen =
        own.find((address) => nodeAddresses.includes(formatAddress(address))) ?? own.find(isPrivate) ?? own[0];
      const serves = (address: IpAddress): boolean =>
        ranges.length > 0 ? ranges.some((range) => cidrContains(range, address)) : address === chosen;
      return own.map((address) => ({ address, device: name, nodePort: serves(address) }));
    });
  });
}
