// A frame through a node's XDP program: which backend, which source address, which bytes. `node examples/packet.mjs`
import {
  buildFrame,
  FibResult,
  formatEndpoint,
  FlowRunner,
  Node,
  parseAddress,
  parseCidr,
  parseMac,
  Protocol,
  Scope,
  ServiceFlag,
} from 'lbtwin';

const address = parseAddress;
const node = new Node({
  options: { mode: 'snat' },
  addresses: { ipv4: address('10.0.0.1'), mac: parseMac('02:00:00:00:00:01'), ifindex: 2 },
});

// What the agent and the kernel would have put in the maps: a service, its backend, a way out.
const { services, backends, reverseNat } = node.lb.v4;
const key = { address: address('192.0.2.10'), port: 80, protocol: Protocol.TCP, scope: Scope.EXTERNAL };
const flags = ServiceFlag.LOAD_BALANCER | ServiceFlag.ROUTABLE;
services.set({ ...key, slot: 0 }, { flags, union: 0, count: 1, revNatIndex: 1, qcount: 0 });
services.set({ ...key, slot: 1 }, { flags: 0, union: 7, count: 0, revNatIndex: 1, qcount: 0 });
backends.set(7, { address: address('10.1.0.9'), port: 8080, protocol: 6, state: 0, clusterId: 0, zone: 0 });
reverseNat.set(1, { address: key.address, port: 80 });
const [dmac, smac] = [parseMac('02:00:00:00:00:fe'), parseMac('02:00:00:00:00:01')];
node.tables.v4.routes.set(parseCidr('0.0.0.0/0'), { result: FibResult.SUCCESS, ifindex: 2, dmac, smac });

const flow = {
  protocol: Protocol.TCP,
  source: address('203.0.113.7'),
  destination: key.address,
  sport: 40000,
  dport: 80,
};
const events = [];
const trace = { event: (event) => events.push(event.kind === 'lookup' ? `${event.kind} ${event.map}` : event.kind) };
const verdict = node.receive('xdp', buildFrame(flow), { now: 1000, random: () => 0, trace });
console.log(verdict.action, verdict.redirect, `${verdict.frame.length} bytes out`);
console.log(events.join(', '));

const runner = new FlowRunner(node);
runner.run('xdp', flow, { now: 1001, random: () => 0 });
const { source, sport, destination, dport } = runner.flow();
console.log(
  formatEndpoint({ address: source, port: sport }),
  '→',
  formatEndpoint({ address: destination, port: dport }),
);
