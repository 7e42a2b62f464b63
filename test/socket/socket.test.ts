import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  errnoName,
  parseEndpoint,
  peerStatus,
  Protocol,
  ServiceFlag,
  Socket,
  socketsToDestroy,
  type TraceEvent,
} from '../../src/index.ts';
import { l7Union } from '../../src/lb/layout.ts';
import { POD_NETNS, shown, TestNode } from './node.ts';

const VIP = '10.96.0.1:80';
const POD = { netnsCookie: POD_NETNS };

const connect = (node: TestNode, to: string, options = {}): ReturnType<Socket['connect']> =>
  new Socket(node, { cookie: 5, ...options }).connect(parseEndpoint(to));

describe('connect', () => {
  it('goes to the backend of the drawn slot and shows the service', () => {
    const node = new TestNode();
    node.add({ frontend: VIP, backends: ['10.0.0.1:8080', '10.0.0.2:8080'] });
    node.words = [3];
    const socket = new Socket(node, { cookie: 5, ...POD });
    expect(shown(socket.connect(parseEndpoint(VIP)).to)).toBe('10.0.0.2:8080');
    expect(shown(socket.getPeerName().shown)).toBe(VIP);
    expect(shown(socket.peer)).toBe('10.0.0.2:8080');
  });

  it.each([
    ['a service without backends', 'EHOSTUNREACH', { setReturnValue: true }],
    ['the same on a kernel without errno', 'EPERM', { setReturnValue: false }],
  ])('refuses %s with %s', (_, errno, options) => {
    const node = new TestNode(options);
    node.add({ frontend: VIP, backends: [] });
    expect(connect(node, VIP)).toMatchObject({ errno, hook: { outcome: 'no-backends' } });
  });

  it('reaches a NodePort on any node from a pod, and on loopback from the host only', () => {
    const node = new TestNode();
    node.add({ frontend: '0.0.0.0:30080', flags: ServiceFlag.NODE_PORT, backends: ['10.0.0.1:8080'] });
    const to = (address: string, options = {}): string | undefined =>
      shown(connect(node, `${address}:30080`, options).to);
    expect(to('192.0.2.1', POD)).toBe('10.0.0.1:8080');
    expect(to('192.0.2.2', POD)).toBe('10.0.0.1:8080');
    expect(to('192.0.2.3', POD)).toBe('192.0.2.3:30080');
    expect(to('127.0.0.9')).toBe('10.0.0.1:8080');
    expect(to('127.0.0.9', POD)).toBe('127.0.0.9:30080');
  });

  it('leaves a foreign external IP alone, but refuses it without backends', () => {
    const node = new TestNode();
    node.add({ frontend: '203.0.113.1:80', flags: ServiceFlag.EXTERNAL_IP, backends: ['10.0.0.1:80'] });
    node.add({ frontend: '203.0.113.2:80', flags: ServiceFlag.EXTERNAL_IP, backends: [] });
    expect(connect(node, '203.0.113.1:80')).toMatchObject({ errno: 'OK', hook: { outcome: 'foreign-address' } });
    expect(connect(node, '203.0.113.2:80').errno).toBe('EHOSTUNREACH');
  });

  it('sends L7 services to the proxy from the host, and leaves them to the packet layer from pods', () => {
    const node = new TestNode({ l7: true });
    node.add({ frontend: VIP, flags: ServiceFlag.L7_LOAD_BALANCER, timeout: l7Union(10829), backends: [] });
    expect(shown(connect(node, VIP).to)).toBe('127.0.0.1:10829');
    expect(connect(node, VIP, POD)).toMatchObject({ hook: { outcome: 'l7-in-pod' } });
  });

  it('connects a TCP socket once', () => {
    const node = new TestNode();
    const socket = new Socket(node, { cookie: 5 });
    expect(socket.send().errno).toBe('EPIPE');
    expect(socket.connect(parseEndpoint(VIP)).errno).toBe('OK');
    expect(socket.connect(parseEndpoint(VIP)).errno).toBe('EISCONN');
    expect(socket.send()).toMatchObject({ errno: 'OK', to: parseEndpoint(VIP) });
  });

  it('reports its steps, and the answer does not depend on it', () => {
    const node = new TestNode();
    node.add({ frontend: VIP, backends: ['10.0.0.1:8080'] });
    const events: TraceEvent[] = [];
    const socket = new Socket(node, { cookie: 5 });
    socket.trace = { event: (event) => void events.push(event) };
    const { to } = socket.connect(parseEndpoint(VIP));
    expect(to).toEqual(connect(node, VIP).to);
    expect(events.map(({ kind }) => kind)).toEqual(['lookup', 'random', 'lookup', 'update', 'rewrite']);
  });

  it.each(['10.96.0.1:0', '0.0.0.0:80', '[::]:80', '[::ffff:10.96.0.1]:81'])('leaves %s unchanged', (text) => {
    const node = new TestNode();
    node.add({ frontend: VIP, backends: ['10.0.0.1:8080'] });
    const { address } = parseEndpoint(text);
    expect(connect(node, text, { family: address.family }).hook).toMatchObject({
      outcome: 'no-service',
      left: parseEndpoint(text),
    });
  });

  it('refuses an address of the wrong family and the use of a closed socket', () => {
    const socket = new Socket(new TestNode(), { cookie: 5 });
    expect(() => socket.connect(parseEndpoint('[fd00::1]:80'))).toThrow(
      expect.objectContaining({ code: 'family-mismatch' }),
    );
    socket.close();
    expect(() => socket.send()).toThrow(expect.objectContaining({ code: 'socket-closed' }));
  });
});

describe('UDP', () => {
  const udp = { protocol: Protocol.UDP };
  const node = (): TestNode => {
    const made = new TestNode();
    made.add({ frontend: '10.96.0.10:53', ...udp, backends: ['10.0.0.1:53', '10.0.0.2:53'] });
    return made;
  };

  it('picks the slot by the whole 64-bit cookie, without a random word', () => {
    const n = node();
    const send = (cookie: string): string | undefined =>
      shown(new Socket(n, { cookie, ...udp }).sendTo(parseEndpoint('10.96.0.10:53')).to);
    expect(send('4')).toBe('10.0.0.1:53');
    expect(send('5')).toBe('10.0.0.2:53');
    expect(send('4294967297')).toBe('10.0.0.2:53');
    expect(n.drawn).toBe(0);
  });

  it('stays with a dead backend when connected, until the agent closes the socket', () => {
    const n = node();
    const socket = new Socket(n, { cookie: 4, ...udp, ...POD });
    const other = new Socket(n, { cookie: 5, ...udp, ...POD });
    for (const each of [socket, other]) each.connect(parseEndpoint('10.96.0.10:53'));
    expect(peerStatus(n.lb, socket)).toMatchObject({ state: 'active', stuck: false });
    n.maps.v4.backends.delete(n.backendId('10.0.0.1:53'));
    expect(socket.send()).toMatchObject({ errno: 'OK', to: parseEndpoint('10.0.0.1:53') });
    expect(peerStatus(n.lb, socket)).toEqual({
      state: 'gone',
      frontend: parseEndpoint('10.96.0.10:53'),
      stuck: true,
    });
    expect(socketsToDestroy(n.lb, [socket, other], parseEndpoint('10.0.0.1:53'))).toEqual([socket]);
    socket.destroy();
    expect([socket.send().errno, socket.send().errno]).toEqual(['ECONNABORTED', 'EDESTADDRREQ']);
    expect(socket.getPeerName().errno).toBe('ENOTCONN');
    expect(socket.connect(parseEndpoint('10.96.0.10:53')).errno).toBe('EHOSTUNREACH');
  });

  it('shows replies as the service used last when two share a backend', () => {
    const n = node();
    n.add({ frontend: '10.96.0.11:53', ...udp, backends: ['10.0.0.1:53'] });
    const socket = new Socket(n, { cookie: 4, ...udp });
    for (const to of ['10.96.0.10:53', '10.96.0.11:53']) socket.sendTo(parseEndpoint(to));
    expect(shown(socket.receiveFrom(parseEndpoint('10.0.0.1:53')).shown)).toBe('10.96.0.11:53');
  });

  it('forgets an entry whose service was made again under another id', () => {
    const n = node();
    const socket = new Socket(n, { cookie: 4, ...udp });
    socket.sendTo(parseEndpoint('10.96.0.10:53'));
    n.add({ frontend: '10.96.0.10:53', ...udp, backends: ['10.0.0.1:53'] });
    expect(socket.receiveFrom(parseEndpoint('10.0.0.1:53'))).toMatchObject({ hook: { outcome: 'stale-entry' } });
    expect(n.lb.reverse(4).size).toBe(0);
  });

  it('drops the least recently used reverse entry when the map is full', () => {
    const n = new TestNode({ reverseMapMax: 2 });
    n.add({ frontend: '10.96.0.10:53', ...udp, backends: ['10.0.0.1:53'] });
    const sockets = [1, 2, 3].map((cookie) => new Socket(n, { cookie, ...udp }));
    for (const socket of sockets) socket.sendTo(parseEndpoint('10.96.0.10:53'));
    const from = parseEndpoint('10.0.0.1:53');
    expect(sockets.map((socket) => socket.receiveFrom(from).hook?.outcome)).toEqual([
      'no-entry',
      'translated',
      'translated',
    ]);
  });
});

describe('bind', () => {
  it('is refused in the host namespace for addresses that services answer on, and nowhere else', () => {
    const node = new TestNode();
    node.add({ frontend: '0.0.0.0:30080', flags: ServiceFlag.NODE_PORT, backends: ['10.0.0.1:8080'] });
    node.add({ frontend: VIP, backends: ['10.0.0.1:8080'] });
    const bind = (to: string, options = {}): string =>
      new Socket(node, { cookie: 5, ...options }).bind(parseEndpoint(to)).errno;
    expect(bind('0.0.0.0:30080')).toBe('EADDRINUSE');
    expect(bind('192.0.2.1:30080')).toBe('EADDRINUSE');
    expect(bind('192.0.2.2:30080')).toBe('OK');
    expect(bind('192.0.2.1:30080', POD)).toBe('OK');
    expect(bind(VIP)).toBe('OK');
  });
});

it('names errno numbers', () => {
  expect([0, -113, 111, 4242].map(errnoName)).toEqual(['OK', 'EHOSTUNREACH', 'ECONNREFUSED', '4242']);
});

describe('laws', () => {
  const port = fc.integer({ min: 1, max: 65535 });
  const last = fc.integer({ min: 1, max: 250 });
  /** Services that share no backend, each with some. */
  const services = fc.uniqueArray(last, { minLength: 1, maxLength: 5 }).chain((ids) =>
    fc.tuple(
      ...ids.map((id) =>
        fc.record({
          frontend: port.map((p) => `10.96.0.${id}:${p}`),
          backends: fc
            .uniqueArray(last, { minLength: 1, maxLength: 4 })
            .map((list) => list.map((backend) => `10.0.${id}.${backend}:80`)),
          protocol: fc.constantFrom(Protocol.TCP, Protocol.UDP),
          flags: fc.constantFrom(0, ServiceFlag.AFFINITY),
        }),
      ),
    ),
  );

  it('what an application sees is what it asked for, as long as the service lives', () => {
    fc.assert(
      fc.property(
        services,
        fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
        fc.boolean(),
        (list, words, mapped) => {
          const node = new TestNode();
          node.words = words;
          for (const service of list) node.add({ ...service, timeout: 100 });
          list.forEach(({ frontend, protocol }, i) => {
            const asked = parseEndpoint(mapped ? `[::ffff:${frontend.replace(':', ']:')}` : frontend);
            const socket = new Socket(node, { cookie: i + 1, protocol, family: mapped ? 6 : 4 });
            expect(socket.connect(asked).errno).toBe('OK');
            expect(socket.getPeerName().shown).toEqual(asked);
            if (protocol === Protocol.UDP) {
              const { to } = socket.sendTo(asked);
              expect(socket.receiveFrom(to!).shown).toEqual(asked);
            }
          });
        },
      ),
    );
  });

  it('an address that is no service is left as it is', () => {
    fc.assert(
      fc.property(services, last, port, (list, id, p) => {
        const node = new TestNode();
        for (const service of list) node.add(service);
        const to = parseEndpoint(`172.16.0.${id}:${p}`);
        expect(new Socket(node, { cookie: 1 }).connect(to)).toMatchObject({ to, hook: { left: to } });
        expect(node.lb.reverse(4).size + node.maps.v4.affinity.size + node.drawn).toBe(0);
      }),
    );
  });

  it('IPv4 and mapped IPv6 agree, entries included', () => {
    fc.assert(
      fc.property(services, fc.nat(), (list, word) => {
        const [plain, dual] = [new TestNode(), new TestNode()];
        for (const node of [plain, dual]) for (const service of list) node.add({ ...service, timeout: 10 });
        for (const { frontend, protocol } of list) {
          plain.words = [word];
          dual.words = [word];
          const one = new Socket(plain, { cookie: 9, protocol }).connect(parseEndpoint(frontend));
          const mappedText = `[::ffff:${frontend.replace(':', ']:')}`;
          const two = new Socket(dual, { cookie: 9, protocol, family: 6 }).connect(parseEndpoint(mappedText));
          expect(two.to).toEqual(one.to);
        }
        expect([...dual.lb.reverse(4).entries()]).toEqual([...plain.lb.reverse(4).entries()]);
        expect([...dual.maps.v4.affinity.entries()]).toEqual([...plain.maps.v4.affinity.entries()]);
      }),
    );
  });

  it('no random word is asked for while affinity answers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 1000 }), (timeout, later) => {
        const node = new TestNode();
        const backends = ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'];
        node.add({ frontend: VIP, flags: ServiceFlag.AFFINITY, timeout, backends });
        node.words = [1, 2];
        const first = connect(node, VIP).to;
        node.time += later;
        const second = connect(node, VIP, { cookie: 6 }).to;
        expect(node.drawn).toBe(later < timeout ? 1 : 2);
        expect(second).toEqual(later < timeout ? first : parseEndpoint('10.0.0.3:80'));
      }),
    );
  });
});
