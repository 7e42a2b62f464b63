import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Family, type Node, parseAddress, type PodInterface, TcpFlag } from '../../src/index.ts';
import { BACKEND_PORT, backendId, frame, LOCAL_ID, makeNode, NODE_MAC, POD_MAC, WORLD } from './world.ts';

const POD: PodInterface = {
  endpoint: { id: 5, ifindex: 12, mac: POD_MAC, nodeMac: NODE_MAC, host: false, identity: 4711 },
  ipv4: parseAddress(WORLD[4].local),
  ipv6: parseAddress(WORLD[6].local),
};

/** Backends of the frontend; the local one is the client itself and left out. */
const BACKENDS = [1, 2];

type Step =
  | { readonly kind: 'packet'; readonly flags: number; readonly word: number }
  | { readonly kind: 'wait'; readonly seconds: number }
  | { readonly kind: 'state'; readonly backend: number; readonly state: number }
  | { readonly kind: 'take out'; readonly count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('packet' as const),
      flags: fc.constantFrom(TcpFlag.SYN, TcpFlag.ACK, TcpFlag.FIN | TcpFlag.ACK, TcpFlag.RST),
      word: fc.nat(),
    }),
  },
  fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 0, max: 100 }) }),
  fc.record({
    kind: fc.constant('state' as const),
    backend: fc.constantFrom(...BACKENDS),
    state: fc.constantFrom(0, 1, 2, 3),
  }),
  fc.record({ kind: fc.constant('take out' as const), count: fc.constantFrom(0, 1, 2) }),
);

/** A closed flow that a SYN could not open again, its backends being gone for new flows: later packets still find the old entry. */
const CLOSED_WITHOUT_BACKENDS: Step[] = [
  { kind: 'packet', flags: TcpFlag.SYN, word: 0 },
  { kind: 'take out', count: 0 },
  { kind: 'packet', flags: TcpFlag.RST, word: 0 },
  { kind: 'wait', seconds: 60 },
  { kind: 'packet', flags: TcpFlag.SYN, word: 0 },
  { kind: 'packet', flags: TcpFlag.ACK, word: 0 },
  { kind: 'packet', flags: TcpFlag.SYN, word: 0 },
];

/** Backend that a packet reached, by its address; 0 if it was dropped. */
function reached(node: Node, family: Family, flags: number, word: number, now: number): number {
  const names = WORLD[family];
  const bytes = frame(names.local, names.frontend, { tcpFlags: flags });
  const verdict = node.receive('fromContainer', bytes, { now, random: () => word, pod: POD });
  if (verdict.drop !== undefined) {
    expect(verdict.drop.name).toBe('NO_SERVICE');
    return 0;
  }
  const out = new DataView(verdict.frame!.buffer);
  expect(out.getUint16(family === 4 ? 36 : 56)).toBe(BACKEND_PORT);
  return (
    names.remote.findIndex((text) => {
      const { words } = parseAddress(text);
      return words.every((one, i) => out.getUint32((family === 4 ? 30 : 38) + 4 * i) === one);
    }) + 1
  );
}

describe.each([4, 6] as const)('the service step, IPv%i', (family) => {
  it('a flow keeps its backend while that is active, and a draining one until a new connection', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 2, maxLength: 30 }), (steps) => {
        const node = makeNode({ backends: BACKENDS, options: { socketLb: 'off', noBackendResponse: 'drop' } });
        const { backends, services } = node.lb.of(family);
        const frontend = { address: parseAddress(WORLD[family].frontend), port: 80, slot: 0, protocol: 0, scope: 0 };
        const states = new Map(BACKENDS.map((id) => [id, 0]));
        let now = 1000;
        let current = 0;
        let closing = false;
        for (const one of steps) {
          if (one.kind === 'wait') now += one.seconds;
          else if (one.kind === 'take out') services.set(frontend, { ...services.get(frontend)!, count: one.count });
          else if (one.kind === 'state') {
            states.set(one.backend, one.state);
            const id = backendId(family, one.backend);
            backends.set(id, { ...backends.get(id)!, state: one.state });
          } else {
            const syn = (one.flags & TcpFlag.SYN) !== 0;
            const got = reached(node, family, one.flags, one.word, now);
            // Whatever the slots say now: an active backend stays, another one as long as no SYN comes.
            const stays = current !== 0 && !(syn && closing) && (states.get(current) === 0 || !syn);
            if (stays) expect(got).toBe(current);
            if (got !== 0) current = got;
            else if (syn && closing) current = 0;
            if ((one.flags & (TcpFlag.FIN | TcpFlag.RST)) !== 0) closing = got !== 0 || closing;
            // A SYN that finds no backend leaves the entry as it was.
            else if (syn && got !== 0) closing = false;
          }
        }
      }),
      { examples: [[CLOSED_WITHOUT_BACKENDS]] },
    );
  });

  it('new flows reach backends among the count only', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 2 }), (word, count) => {
        const node = makeNode({ backends: [1, 2, LOCAL_ID], options: { socketLb: 'off' } });
        const { services } = node.lb.of(family);
        const frontend = { address: parseAddress(WORLD[family].frontend), port: 80, slot: 0, protocol: 0, scope: 0 };
        services.set(frontend, { ...services.get(frontend)!, count, qcount: 3 - count });
        expect(reached(node, family, TcpFlag.SYN, word, 1000)).toBe((word % count) + 1);
      }),
    );
  });
});
