import { describe, expect, it } from 'vitest';
import { readHubble } from '../../src/lab/index.ts';

const flow = {
  verdict: 'FORWARDED',
  IP: { source: '198.51.100.7', destination: '203.0.113.10' },
  l4: { TCP: { source_port: 40000, destination_port: 443, flags: { SYN: true } } },
  node_name: 'prod/worker-a1',
  is_reply: null,
  trace_observation_point: 'FROM_NETWORK',
};

const lines = (...values: unknown[]): string => values.map((one) => `${JSON.stringify(one)}\n`).join('');

describe('readHubble', () => {
  it('reads a flow, bare or under `flow`, and the same from both', () => {
    const { flows } = readHubble(lines(flow, { flow, node_name: 'other/name' }));
    expect({ ...flows[1], line: 1 }).toEqual(flows[0]);
    expect(flows[0]).toEqual({
      line: 1,
      node: 'worker-a1',
      source: { family: 4, words: [0xc6336407] },
      destination: { family: 4, words: [0xcb00710a] },
      sport: 40000,
      dport: 443,
      protocol: 6,
      opens: true,
      closes: false,
      accepts: false,
      reply: undefined,
      drop: undefined,
      point: 'FROM_NETWORK',
      socket: undefined,
    });
  });

  it('reads sockets with cookies beyond 2^53, drops, and what has no ports', () => {
    const socket = {
      ...flow,
      sock_xlate_point: 'SOCK_XLATE_POINT_POST_DIRECTION_REV',
      socket_cookie: '18446744073709551615',
    };
    const dropped = { ...flow, verdict: 'DROPPED', drop_reason_desc: 'POLICY_DENIED' };
    const { flows } = readHubble(lines(socket, dropped, { ...flow, l4: { ICMPv4: { type: 8 } } }, { ...flow, IP: {} }));
    expect(flows[0]!.socket).toEqual({ cookie: '18446744073709551615', stage: 'after', reverse: true });
    expect(flows[1]!.drop).toBe('POLICY_DENIED');
    expect(flows[2]!.protocol).toBeUndefined();
    expect(flows[3]!.source).toBeUndefined();
  });

  it('counts other events, and those that were lost', () => {
    const lost = { lost_events: { source: 'PERF_EVENT_RING_BUFFER', num_events_lost: '12' } };
    const { flows, others, lost: count } = readHubble(`\n${lines({ node_status: {} }, lost, 7, flow)}`);
    expect([flows.map(({ line }) => line), others, count]).toEqual([[5], 3, 12]);
  });

  it.each([
    ['{', /line 2 is not JSON/],
    [JSON.stringify({ ...flow, IP: { source: '198.51.100', destination: '203.0.113.10' } }), /^\[2\]: "198\.51\.100"/],
    [JSON.stringify({ ...flow, IP: { source: '2001:db8::1', destination: '203.0.113.10' } }), /different families/],
    [JSON.stringify({ ...flow, l4: { TCP: { source_port: 70000 } } }), /70000 is no port/],
    [
      JSON.stringify({ ...flow, sock_xlate_point: 'SOCK_XLATE_POINT_PRE_DIRECTION_FWD', socket_cookie: 'x' }),
      /unsigned 64-bit/,
    ],
  ])('refuses %s', (line, message) => {
    expect(() => readHubble(`\n${line}`)).toThrow(message);
  });
});
