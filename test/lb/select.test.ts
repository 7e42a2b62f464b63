import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  defineService,
  explainSelection,
  moduloBy,
  packTuples,
  randomSlot,
  selectBackend,
  selectBackends,
  type ServiceSpec,
  tupleColumns,
} from '../../src/lb/index.ts';
import { parseAddress } from '../../src/net/address.ts';
import { TABLE_SIZES } from '../../src/maglev/sizes.ts';

const spec4: ServiceSpec = {
  frontend: '203.0.113.10:443/TCP',
  type: 'LoadBalancer',
  algorithm: 'maglev',
  backends: Array.from({ length: 7 }, (_, i) => ({ id: 100 + i, address: `10.1.0.${9 - i}`, port: 8443 })),
};
const spec6: ServiceSpec = {
  ...spec4,
  frontend: '[2001:db8::a]:443/TCP',
  backends: Array.from({ length: 7 }, (_, i) => ({ id: 100 + i, address: `fd00::${i + 1}`, port: 8443 })),
};
const small = { maglev: { tableSize: 1021 } };
const flow = { protocol: 'TCP', saddr: '192.0.2.7', sport: 40000, daddr: '203.0.113.10', dport: 443 };

describe('selectBackend', () => {
  it('takes addresses as text or packed words, with the same answer', () => {
    const service = defineService(spec4, small);
    const chosen = selectBackend(service, flow)!;
    expect(chosen.port).toBe(8443);
    const packed = { protocol: 6, saddr: 0xc0000207, sport: 40000, daddr: 0xcb00710a, dport: 443 };
    expect(selectBackend(service, packed)).toBe(chosen);
    expect(selectBackend(service, { protocol: 'tcp', saddr: [0xc0000207], sport: 40000 })).toBe(chosen);
    const service6 = defineService(spec6, small);
    const text = selectBackend(service6, { protocol: 'TCP', saddr: '2001:db8::7', sport: 5 });
    expect(text).toBeDefined();
    expect(selectBackend(service6, { protocol: 'TCP', saddr: [0x20010db8, 0, 0, 7], sport: 5 })).toBe(text);
  });

  it('hashes client port 0 under session affinity', () => {
    const service = defineService({ ...spec4, sessionAffinity: true }, small);
    const answers = new Set([1, 2, 3, 40000, 65535].map((sport) => selectBackend(service, { ...flow, sport })));
    expect(answers.size).toBe(1);
    const plain = explainSelection(defineService(spec4, small), { ...flow, sport: 0 });
    expect(explainSelection(service, flow).hash).toBe(plain.hash);
    expect(explainSelection(service, flow).hashedPort).toBe(0);
  });

  it('uses active backends; the terminating ones when none is active; none else', () => {
    const states = (list: ('active' | 'terminating' | 'maintenance')[], healthy = true): ServiceSpec => ({
      ...spec4,
      backends: list.map((state, i) => ({ address: `10.0.0.${i + 1}`, port: 80, state, healthy })),
    });
    expect(defineService(states(['terminating', 'active', 'active'])).count).toBe(2);
    const draining = defineService(states(['terminating', 'maintenance', 'terminating']));
    expect(draining.selectable).toBe('terminating');
    expect(selectBackend(draining, flow)!.state).toBe('terminating');
    for (const none of [states(['maintenance']), states([]), states(['active'], false)]) {
      const service = defineService(none, small);
      expect(selectBackend(service, flow)).toBeUndefined();
      expect(selectBackend(defineService({ ...none, algorithm: 'random' }), flow)).toBeUndefined();
      const out = Uint32Array.of(7);
      selectBackends(service, { family: 4, saddr: Uint32Array.of(1), sport: Uint16Array.of(1) }, out);
      expect(out[0]).toBe(0);
      expect(explainSelection(service, flow)).toMatchObject({ selectable: 'none', candidates: [], backend: undefined });
    }
  });

  it('algorithm random picks the slot of the random word, and needs one', () => {
    const service = defineService({ ...spec4, algorithm: 'random' });
    expect(service.backends.map(({ address }) => address)).toEqual([3, 4, 5, 6, 7, 8, 9].map((n) => `10.1.0.${n}`));
    for (let word = 0; word < 20; word++) {
      expect(selectBackend(service, flow, () => word)).toBe(service.backends[word % 7]);
    }
    expect(() => selectBackend(service, flow)).toThrow(expect.objectContaining({ code: 'random-required' }));
    expect(explainSelection(service, flow)).toMatchObject({ backend: undefined, randomWord: undefined });
    expect(explainSelection(service, flow).candidates).toHaveLength(7);
    expect(explainSelection(service, flow, () => 0xffffffff)).toMatchObject({
      randomWord: 0xffffffff,
      slot: (0xffffffff % 7) + 1,
    });
  });

  it('explains with the numbers it decided by', () => {
    const service = defineService(spec4, small);
    const told = explainSelection(service, flow);
    expect(told.tableIndex).toBe(told.hash! % 1021);
    expect(told.slotOwner).toBe(selectBackend(service, flow));
    expect(service.slots[service.owners![told.tableIndex!]!]).toBe(told.backend!.id);
    expect(told).toMatchObject({ algorithm: 'maglev', hashedPort: 40000, tableSize: 1021, slot: undefined });
  });

  it('an unspecified frontend address takes any destination, ANY takes any protocol', () => {
    const wild = defineService({ ...spec4, frontend: '0.0.0.0:443/TCP' }, small);
    expect(selectBackend(wild, flow)).toBeDefined();
    const any = defineService({ ...spec4, frontend: '203.0.113.10:443/ANY' }, small);
    const [tcp, udp] = [6, 17].map((protocol) => explainSelection(any, { ...flow, protocol }).hash);
    expect(tcp).not.toBe(udp);
  });
});

describe('selectBackends', () => {
  const row4 = fc.record({ saddr: fc.integer({ min: 0, max: 0xffffffff }), sport: fc.integer({ min: 0, max: 65535 }) });
  const affinity = fc.boolean();

  it('equals the single call, row by row, for both families and both kinds of hashing', () => {
    fc.assert(
      fc.property(
        fc.array(row4, { minLength: 1, maxLength: 50 }),
        affinity,
        fc.constantFrom(4, 6),
        (rows, sticky, family) => {
          const service = defineService({ ...(family === 4 ? spec4 : spec6), sessionAffinity: sticky }, small);
          const tuples = rows.map(({ saddr, sport }) => ({
            protocol: 'TCP',
            saddr: family === 4 ? saddr : [0x20010db8, saddr, sport, saddr ^ 0x55555555].map((w) => w >>> 0),
            sport,
            daddr:
              service.frontend.address.words.length === 1
                ? service.frontend.address.words[0]!
                : service.frontend.address.words,
            dport: 443,
          }));
          const out = new Uint32Array(rows.length);
          selectBackends(service, packTuples(service.family, tuples), out);
          expect([...out]).toEqual(tuples.map((tuple) => selectBackend(service, tuple)!.id));
        },
      ),
    );
  });

  it('draws one word per row with algorithm random', () => {
    const service = defineService({ ...spec4, algorithm: 'random' });
    let word = 0;
    const out = new Uint32Array(20);
    selectBackends(service, { family: 4, saddr: new Uint32Array(20), sport: new Uint16Array(20) }, out, () => word++);
    expect(word).toBe(20);
    expect([...out]).toEqual(Array.from({ length: 20 }, (_, i) => service.slots[i % 7]));
  });

  it('takes the protocol of each row on an ANY frontend', () => {
    const any = defineService({ ...spec4, frontend: '203.0.113.10:443/ANY' }, small);
    const columns = { family: 4, saddr: Uint32Array.of(5, 5), sport: Uint16Array.of(6, 6) } as const;
    const out = new Uint32Array(2);
    selectBackends(any, { ...columns, protocol: Uint8Array.of(6, 17) }, out);
    expect(out[0]).toBe(selectBackend(any, { protocol: 6, saddr: 5, sport: 6 })!.id);
    expect(out[1]).toBe(selectBackend(any, { protocol: 17, saddr: 5, sport: 6 })!.id);
    expect(() => selectBackends(any, columns, out)).toThrow(expect.objectContaining({ code: 'invalid-columns' }));
  });

  it('writes nothing when a row is wrong', () => {
    const service = defineService(spec4, small);
    const columns = tupleColumns(4, 3);
    columns.daddr.fill(0xcb00710a);
    columns.dport.fill(443);
    columns.protocol.fill(6);
    const out = Uint32Array.of(9, 9, 9);
    const wrong = (change: object, path: string, code = 'tuple-mismatch'): void => {
      expect(() => selectBackends(service, { ...columns, ...change }, out)).toThrow(expect.objectContaining({ code }));
      expect(() => selectBackends(service, { ...columns, ...change }, out)).toThrow(path);
    };
    wrong({ dport: Uint16Array.of(443, 443, 80) }, 'dport[2]');
    wrong({ protocol: Uint8Array.of(6, 17, 6) }, 'protocol[1]');
    wrong({ daddr: Uint32Array.of(0xcb00710a, 1, 1) }, 'daddr[1]');
    wrong({ saddr: new Uint32Array(2) }, 'saddr', 'invalid-columns');
    wrong({ daddr: new Uint32Array(2) }, 'daddr', 'invalid-columns');
    wrong({ family: 6 }, 'family', 'family-mismatch');
    expect(() => selectBackends(service, columns, new Uint32Array(2))).toThrow(/^out: /);
    expect([...out]).toEqual([9, 9, 9]);
  });
});

describe('bad input', () => {
  const service = defineService(spec4, small);
  it.each([
    [{ ...flow, protocol: 'UDP' }, 'tuple-mismatch', 'protocol'],
    [{ ...flow, protocol: 'foo' }, 'unknown-protocol', 'protocol'],
    [{ ...flow, protocol: 256 }, 'unknown-protocol', 'protocol'],
    [{ ...flow, dport: 80 }, 'tuple-mismatch', 'dport'],
    [{ ...flow, daddr: '203.0.113.11' }, 'tuple-mismatch', 'daddr'],
    [{ ...flow, saddr: '2001:db8::1' }, 'family-mismatch', 'saddr'],
    [{ ...flow, saddr: '010.0.0.1' }, 'invalid-address', 'saddr'],
    [{ ...flow, saddr: 2 ** 32 }, 'invalid-address', 'saddr'],
    [{ ...flow, saddr: [1, 2, 3, 4] }, 'invalid-address', 'saddr'],
    [{ ...flow, saddr: null as unknown as string }, 'invalid-address', 'saddr'],
    [{ ...flow, sport: 65536 }, 'invalid-port', 'sport'],
    [{ ...flow, sport: '80' as unknown as number }, 'invalid-port', 'sport'],
  ])('tuple %j', (tuple, code, path) => {
    expect(() => selectBackend(service, tuple)).toThrow(expect.objectContaining({ code }));
    expect(() => selectBackend(service, tuple)).toThrow(path);
  });

  const backend = { id: 1, address: '10.0.0.1', port: 80 };
  it.each([
    [{ backends: [{ ...backend, id: 0 }] }, 'invalid-backend-id', 'backends[0].id'],
    [{ backends: [backend, { address: '10.0.0.2', port: 80 }] }, 'invalid-backend-id', 'backends[1].id'],
    [{ backends: [backend, backend] }, 'duplicate-backend', 'backends[1]'],
    [{ backends: [backend, { ...backend, id: 2 }] }, 'duplicate-backend', 'backends[1]'],
    [{ backends: [{ ...backend, address: 'fd00::1' }] }, 'family-mismatch', 'backends[0].address'],
    [{ backends: [{ ...backend, port: 0 }] }, 'invalid-port', 'backends[0].port'],
    [{ backends: [{ ...backend, weight: 65536 }] }, 'invalid-weight', 'backends[0].weight'],
    [{ backends: [{ ...backend, state: 'gone' as 'active' }] }, 'unknown-state', 'backends[0].state'],
    [{ backends: [{ ...backend, protocol: 'HTTP' }] }, 'unknown-protocol', 'backends[0].protocol'],
    [{ backends: Array.from({ length: 65536 }, () => backend) }, 'too-many-backends', 'backends'],
    [{ algorithm: 'rr' as 'random' }, 'unknown-algorithm', 'algorithm'],
    [{ type: 'External' as 'ClusterIP' }, 'unknown-service-type', 'type'],
    [{ frontend: '203.0.113.10:443' }, 'invalid-endpoint', 'frontend'],
    [{ frontend: '203.0.113.10:0/TCP' }, 'invalid-port', 'frontend'],
  ])('service with %#', (change, code, path) => {
    expect(() => defineService({ ...spec4, ...change })).toThrow(expect.objectContaining({ code }));
    expect(() => defineService({ ...spec4, ...change })).toThrow(path);
  });

  it('options', () => {
    expect(() => defineService(spec4, { maglev: { tableSize: 1000 } })).toThrow('maglev.tableSize');
    expect(() => defineService(spec4, { maglev: { hashSeed: 'x' } })).toThrow('maglev.hashSeed');
  });
});

it('the modulo by reciprocal is exact for every table size, at its edges and everywhere', () => {
  const sizes = fc.oneof(fc.constantFrom(...TABLE_SIZES), fc.integer({ min: 2, max: 1 << 20 }));
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 0xffffffff }), (size, word) => {
      const multiple = word - (word % size);
      for (const hash of [word, multiple, multiple + size - 1, Math.max(0, multiple - 1), 0xffffffff, 0]) {
        if (hash <= 0xffffffff) expect(moduloBy(hash, size, 1 / size)).toBe(hash % size);
      }
    }),
    { numRuns: 2000 },
  );
  expect(randomSlot(0xffffffff, 65535)).toBe((0xffffffff % 65535) + 1);
});

it('a frontend may be given parsed', () => {
  const frontend = { address: parseAddress('203.0.113.10'), port: 443, protocol: 6 };
  expect(selectBackend(defineService({ ...spec4, frontend }, small), flow)).toEqual(
    selectBackend(defineService(spec4, small), flow),
  );
});

it.each([
  [undefined, 'no service'],
  [{ frontend: '192.0.2.1:80/TCP' }, 'backends: no list'],
  [{ frontend: '192.0.2.1:80/TCP', backend: [] }, 'backends: no list'],
])('what is no service is refused: %j', (spec, message) => {
  expect(() => defineService(spec as never)).toThrow(expect.objectContaining({ code: 'invalid-service' }));
  expect(() => defineService(spec as never)).toThrow(message);
});
