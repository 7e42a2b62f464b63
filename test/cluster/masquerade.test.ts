import { expect, it } from 'vitest';
import { Cluster } from '../../src/cluster/index.ts';
import { shop, values } from './objects.ts';

const OUTSIDE = { 4: '198.51.100.9:80/TCP', 6: '[2001:db8:9::9]:80/TCP' } as const;

/** What a server outside sees of a pod, over either family. */
const seen = (more: Record<string, unknown>): (string | undefined)[] => {
  const cluster = Cluster.fromKubernetes(shop(), { config: { values: values(more) } });
  return ([4, 6] as const).map(
    (family) => cluster.send({ from: 'pod:shop/client', to: OUTSIDE[family] }).outcome.sourceSeen,
  );
};

const NODE = [expect.stringMatching(/^192\.168\.0\.1:/), expect.stringMatching(/^\[fd00:192::1\]:/)];
const POD = [expect.stringMatching(/^10\.0\.1\.50:/), expect.stringMatching(/^\[fd00:10:0:1::50\]:/)];

it.each([true, false])('masquerades the families that are to be, by eBPF: %s', (masquerade) => {
  const bpf = { masquerade };
  expect(seen({ bpf })).toEqual(NODE);
  expect(seen({ bpf, enableIPv6Masquerade: false })).toEqual([NODE[0], POD[1]]);
  expect(seen({ bpf, enableIPv4Masquerade: false })).toEqual([POD[0], NODE[1]]);
});
