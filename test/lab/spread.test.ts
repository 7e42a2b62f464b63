import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  flowsOfCapture,
  flowsOfHubble,
  flowsOfPorts,
  SPREAD_ALGORITHMS,
  spreadFindings,
  spreadFlows,
} from '../../src/lab/index.ts';
import { defineService, selectBackend } from '../../src/lb/index.ts';
import {
  buildFrame,
  parseAddress,
  parseEndpoint,
  Protocol,
  type CapturedFrame,
  LinkType,
} from '../../src/net/index.ts';
import { backendList } from '../maglev/backends.ts';

const client = parseAddress('198.51.100.7');
const service = parseAddress('203.0.113.10');

describe('spread', () => {
  it("maglev is the datapath's choice, flow by flow", () => {
    const backends = backendList(7);
    const compiled = defineService({
      frontend: '203.0.113.10:443/TCP',
      type: 'LoadBalancer',
      algorithm: 'maglev',
      backends: backends.map(({ id, address, port }) => ({ id, address, port })),
    });
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer({ min: 1, max: 65535 }), (saddr, sport) => {
        const list = flowsOfPorts(String(sport), { family: 4, words: [saddr] }, 443, Protocol.TCP);
        const { perBackend } = spreadFlows(list, backends, 'maglev', { seed: 1 });
        const chosen = perBackend.find(({ connections }) => connections === 1)!;
        expect(chosen.id).toBe(selectBackend(compiled, { saddr, sport, protocol: 'TCP' })!.id);
      }),
    );
  });

  it('all connections arrive, with their packets and bytes; least connections is as even as can be', () => {
    const list = flowsOfPorts('40000-40999', client, 80, Protocol.TCP);
    for (const algorithm of SPREAD_ALGORITHMS) {
      const result = spreadFlows(list, backendList(8), algorithm, { seed: 1 });
      expect(result.perBackend.reduce((sum, { connections }) => sum + connections, 0)).toBe(1000);
      expect(result.degrees).toBe(7);
      if (algorithm === 'least-connections') expect(result.imbalance).toBe(0);
      else expect(result.pValue).toBeGreaterThan(1e-6);
    }
  });

  it('least connections follows weights and forgets what closed', () => {
    const weighted = backendList(2).map((backend, i) => ({ ...backend, weight: i === 0 ? 300 : 100 }));
    const ports = flowsOfPorts('1-400', client, 80, Protocol.TCP);
    const spread = spreadFlows(ports, weighted, 'least-connections', { seed: 1 });
    expect(spread.perBackend.map(({ connections }) => connections)).toEqual([300, 100]);
    const closing = { flows: ports.flows.slice(0, 3), events: [1, -1, 2, -2, 3] };
    const [first] = spreadFlows(closing, backendList(2), 'least-connections', { seed: 1 }).perBackend;
    expect(first).toMatchObject({ connections: 3, peak: 1 });
  });

  it('affinity keeps a client on one backend', () => {
    const list = flowsOfPorts('1-100', client, 80, Protocol.TCP);
    for (const algorithm of SPREAD_ALGORITHMS) {
      const { perBackend } = spreadFlows(list, backendList(5), algorithm, { seed: 1, affinity: true });
      expect(perBackend.filter(({ connections }) => connections > 0).length).toBe(1);
    }
    const results = [spreadFlows(list, backendList(5), 'maglev', { seed: 1, affinity: true })];
    expect(spreadFindings(list, results, true).join()).toMatch(
      /spreads clients, not connections, and there are only 1/,
    );
  });

  it('tells a load that repeats from chance', () => {
    const list = flowsOfPorts('5000-5199', client, 80, Protocol.TCP);
    const repeated = {
      flows: list.flows.flatMap((flow) => Array.from({ length: 20 }, () => flow)),
      events: [] as number[],
    };
    repeated.events = repeated.flows.map((_, i) => i + 1);
    const finding = (flows: typeof list): string =>
      spreadFindings(flows, [spreadFlows(flows, backendList(20), 'maglev', { seed: 1 })], false)[0]!;
    expect(finding(list)).toMatch(/as even as chance/);
    expect(finding(repeated)).toMatch(/more uneven than chance/);
  });

  it('refuses nothing to replay', () => {
    expect(() => spreadFlows({ flows: [], events: [] }, backendList(2), 'random', { seed: 1 })).toThrow(/no flow/);
    for (const ports of ['', 'x', '70000', '1-2-3']) {
      expect(() => flowsOfPorts(ports, client, 80, Protocol.TCP)).toThrow();
    }
  });
});

describe('flows of a capture', () => {
  const frame = (sport: number, flags: number, reply = false): CapturedFrame => {
    const bytes = buildFrame({
      protocol: Protocol.TCP,
      source: reply ? service : client,
      destination: reply ? client : service,
      sport: reply ? 443 : sport,
      dport: reply ? sport : 443,
      tcpFlags: flags,
    });
    return { seconds: 0, nanoseconds: 0, interfaceId: 0, linkType: LinkType.ETHERNET, bytes, wireLength: bytes.length };
  };
  const [SYN, ACK, FIN] = [2, 16, 17];

  it('go by direction, close with FIN, and open anew with a SYN', () => {
    const frames = [
      frame(1000, SYN),
      frame(1000, SYN | ACK, true),
      frame(2000, SYN),
      frame(1000, FIN),
      frame(1000, FIN, true),
    ];
    const list = flowsOfCapture([...frames, frame(1000, SYN)]);
    expect(list.events).toEqual([1, 2, -1, 3]);
    expect(list.flows.map(({ sport, dport, packets }) => [sport, dport, packets])).toEqual([
      [1000, 443, 4],
      [2000, 443, 1],
      [1000, 443, 1],
    ]);
    expect(list.flows[0]!.saddr).toEqual(client.words);
  });

  it('are those to the frontend asked for', () => {
    const frames = [frame(1000, SYN), frame(1000, SYN | ACK, true)];
    expect(flowsOfCapture(frames, parseEndpoint('203.0.113.10:443')).flows.length).toBe(1);
    expect(flowsOfCapture(frames, parseEndpoint('203.0.113.10:80')).flows.length).toBe(0);
    expect(flowsOfCapture(frames, parseEndpoint('203.0.113.11:443')).flows.length).toBe(0);
  });

  it("are read from Hubble's lines", () => {
    const line = (sport: number, flags: object): string =>
      JSON.stringify({
        flow: {
          IP: { source: 'fd00::9', destination: '2001:db8::10' },
          l4: { TCP: { source_port: sport, destination_port: 443, flags } },
        },
      });
    const text = `${line(1000, { SYN: true })}\n\n${line(1000, { FIN: true, ACK: true })}\n{"flow":{"l4":{"ICMPv4":{}}}}\n`;
    const list = flowsOfHubble(text);
    expect(list.events).toEqual([1, -1]);
    expect(list.flows[0]).toMatchObject({ family: 6, sport: 1000, dport: 443, packets: 2 });
    expect(() => flowsOfHubble('{"flow"')).toThrow(/line 1 is not JSON/);
  });
});
