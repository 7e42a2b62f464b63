import { expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/index.ts';
import { nodeOfPodCidr, readTopology } from '../../src/cluster/topology.ts';
import { Inventory } from '../../src/k8s/inventory.ts';
import type { RawObject } from '../../src/k8s/raw.ts';
import { parseAddress } from '../../src/net/address.ts';
import { shop, values } from './objects.ts';

/** The controller manager gives each node the next one's CIDR, while Cilium allocates from its own. */
const misleading = (objects: readonly RawObject[]): RawObject[] =>
  objects.map((object) => {
    const number = /^node-(\d)$/.exec(object.metadata.name)?.[1];
    if (object.kind !== 'Node' || number === undefined) return object;
    return { ...object, spec: { podCIDRs: [`10.0.${(Number(number) % 3) + 1}.0/24`] } };
  });

const address = parseAddress('10.0.2.77');

it.each([
  ['as they come', (objects: RawObject[]) => objects],
  ['the other way round', (objects: RawObject[]) => objects.toReversed()],
])("pod CIDRs are CiliumNode's where it has some, %s", (_, order) => {
  const objects = order(misleading(shop()));
  expect(nodeOfPodCidr(readTopology(objects), address)?.name).toBe('node-2');
  expect(new Inventory(objects).podOf(address)?.node).toBe('node-2');
  const { outcome } = Cluster.fromKubernetes(objects, { config: { values: values() } }).send({
    from: 'pod:shop/client',
    to: '10.0.2.12:8080/TCP',
  });
  expect(outcome.kind).toBe('replied');
});

it("are Node's where no CiliumNode tells", () => {
  const objects = misleading(shop()).filter(({ kind }) => kind !== 'CiliumNode');
  expect(nodeOfPodCidr(readTopology(objects), address)?.name).toBe('node-1');
  expect(new Inventory(objects).podOf(address)?.node).toBe('node-1');
});
