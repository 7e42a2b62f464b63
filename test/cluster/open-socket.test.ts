import { describe, expect, it } from 'vitest';
import { Cluster, openSocket, parseEndpoint, peerStatus } from '../../src/index.ts';
import { service, shop, slice, values, WEB } from './objects.ts';

const DNS = parseEndpoint('10.96.0.20:53');

/** The shop with a DNS service. */
const cluster = (helm = {}): Cluster =>
  Cluster.fromKubernetes(
    [
      ...shop(),
      service('dns', 20, {
        type: 'ClusterIP',
        ports: [{ name: 'http', port: 53, targetPort: 53, protocol: 'UDP' }],
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 30 } },
      }),
      slice('dns', 4, WEB, 53, 'UDP'),
    ],
    { config: { values: values(helm) } },
  );

describe('openSocket', () => {
  it('behaves as an application’s socket while the cluster changes', () => {
    const twin = cluster();
    const socket = openSocket(twin, { pod: 'shop/client', protocol: 'UDP' });
    expect(socket.connect(DNS).to).toEqual(parseEndpoint('10.0.2.12:53'));
    expect(socket.getPeerName().shown).toEqual(DNS);
    twin.apply([slice('dns', 4, [WEB[0]!, WEB[2]!], 53, 'UDP')]);
    expect(socket.send().to).toEqual(parseEndpoint('10.0.2.12:53'));
    expect(peerStatus(twin.node('node-1').sockets!, socket)).toMatchObject({ state: 'gone', stuck: true });
  });

  it('shares affinity with the pod’s other sockets, until its time is over', () => {
    const twin = cluster();
    const ask = (pod: string, cookie: number): unknown =>
      openSocket(twin, { pod, protocol: 'UDP', cookie }).sendTo(DNS).to;
    const first = ask('shop/client', 3);
    expect(ask('shop/client', 4)).toEqual(first);
    expect(ask('shop/web-1', 4)).not.toEqual(first);
    twin.advance(30);
    expect(ask('shop/client', 4)).not.toEqual(first);
  });

  it('tells what it cannot do', () => {
    const twin = cluster();
    const code = (run: () => unknown, expected: string): void =>
      expect(run).toThrow(expect.objectContaining({ code: expected }));
    code(() => openSocket(twin, { pod: 'shop/cleint' }), 'unknown-pod');
    code(() => openSocket(twin, { node: 'node-7' }), 'unknown-node');
    code(() => openSocket(twin, {}), 'node-required');
    code(() => openSocket(twin, { node: 'node-1' }).connect(parseEndpoint('10.96.0.10:80')), 'random-required');
    const without = cluster({ kubeProxyReplacement: false });
    code(() => openSocket(without, { node: 'node-1' }), 'no-socket-lb');
  });
});
