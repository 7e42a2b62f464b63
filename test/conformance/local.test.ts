import { Conntrack } from '../../src/conntrack/conntrack.ts';
import { CtState } from '../../src/conntrack/entry.ts';
import { createTuple, viewTuple } from '../../src/conntrack/tuple.ts';
import { extractTuple } from '../../src/datapath/extract.ts';
import { ServicePath } from '../../src/datapath/service.ts';
import { dropReasonName, type Family, formatAddress, LbMaps, parseAddress } from '../../src/index.ts';
import { affinityUnion, joinFlags } from '../../src/lb/layout.ts';
import type { ServiceKey } from '../../src/lb/service-map.ts';
import { AddressTable } from '../../src/node/address-table.ts';
import { ZERO_MAC } from '../../src/node/mac.ts';
import type { LocalEndpoint } from '../../src/node/tables.ts';
import { affinityEntries, inAffinityOrder } from './affinity-records.ts';
import {
  changedEntries,
  ctContents,
  ctTable,
  type FailingTable,
  keyRecord,
  type MapRecord,
  rowsByAge,
  secondsOf,
  stateRecord,
} from './ct-records.ts';
import { conformance, exactKeys } from './harness.ts';
import { describeFrame, loadFrame, toHex } from './packets.ts';

interface Step {
  op: string;
  t_ns: string;
  packet_hex: string;
  packet_out_hex: string;
  skip_xlate: boolean;
  random_words: number[];
  ret: number;
  ct_changed: MapRecord[];
  affinity_after: unknown[];
  fail?: string;
  slots: number[];
  lut: Lut | null;
  backend_id: number;
  flags: number;
  note: string;
}
interface Lut {
  kind: string;
  ids: number[];
}
interface Case {
  name: string;
  family: Family;
  algorithm: string;
  table_size: number | null;
  loopback_build: boolean;
  initial: {
    service: {
      address: string;
      port: number;
      key_proto: number;
      rev_nat_index: number;
      flags: number;
      flags2: number;
      affinity_timeout: number | null;
      count: number;
    };
    backends: { id: number; address: string; port: number; flags: number }[];
    lut: Lut | null;
    affinity_match: boolean;
    local_endpoints: string[];
  };
  steps: Step[];
}

/** Default seeds of the flow hash. */
const SEEDS = { 4: 0x71dcda46, 6: 0x92505688 };
const LOOPBACK = 0xa9fe2a01;
const ENOMEM = -12;

class Replay {
  readonly testCase: Case;
  readonly maps = new LbMaps();
  readonly tcp: FailingTable;
  readonly any: FailingTable;
  readonly conntrack: Conntrack;
  readonly path: ServicePath;
  readonly key: ServiceKey;
  /** Backends that were not taken out of the service. */
  readonly backends: { id: number; address: string; port: number; flags: number }[];

  constructor(testCase: Case) {
    this.testCase = testCase;
    const { family, algorithm, initial, loopback_build: loopback } = testCase;
    if (algorithm !== 'random' && algorithm !== 'maglev') throw new Error(`unknown algorithm ${algorithm}`);
    const { service } = initial;
    this.tcp = ctTable(family);
    this.any = ctTable(family);
    this.conntrack = new Conntrack(family, { loopback, reportFlags: 0xff }, { tcp: this.tcp, any: this.any });
    const endpoints = new AddressTable<LocalEndpoint>(family, 100);
    for (const text of initial.local_endpoints) {
      endpoints.set(parseAddress(text), { id: 1, ifindex: 1, mac: ZERO_MAC, nodeMac: ZERO_MAC, host: false });
    }
    this.path = new ServicePath(family, this.maps, this.conntrack, endpoints, {
      algorithm,
      algorithmAnnotation: false,
      hashSeed: SEEDS[family],
      protocolDifferentiation: true,
      scopeSwitch: true,
      sessionAffinity: true,
      loopback: loopback && family === 4 ? LOOPBACK : undefined,
      localRedirect: false,
    });
    const { address, port, key_proto: protocol, count } = service;
    this.key = { address: parseAddress(address), port, slot: 0, protocol, scope: 0 };
    this.backends = initial.backends.map((backend) => ({ ...backend }));
    for (const backend of this.backends) this.#putBackend(backend);
    this.#putService(
      initial.backends.map(({ id }) => id),
      count,
    );
    if (initial.affinity_match) {
      for (const { id } of initial.backends) this.maps.affinityMatch.add(service.rev_nat_index, id);
    }
    this.#putLut(initial.lut);
  }

  #putBackend(backend: { id: number; address: string; port: number; flags: number }): void {
    const { id, port, flags: state } = backend;
    const value = { address: parseAddress(backend.address), port, protocol: 0, state, clusterId: 0, zone: 0 };
    this.maps.of(this.testCase.family).backends.set(id, value);
  }

  #putService(slots: number[], count = slots.length): void {
    const { rev_nat_index: revNatIndex, flags, flags2, affinity_timeout } = this.testCase.initial.service;
    const { services } = this.maps.of(this.testCase.family);
    services.clear();
    const value = { revNatIndex, flags: joinFlags(flags, flags2), qcount: 0 };
    services.set(this.key, { ...value, union: affinityUnion(affinity_timeout ?? 0), count });
    slots.forEach((union, i) => services.set({ ...this.key, slot: i + 1 }, { ...value, union, count: 0 }));
  }

  #putLut(lut: Lut | null): void {
    if (lut === null) return;
    const table = new Uint32Array(this.testCase.table_size!);
    if (lut.kind !== 'cycle') throw new Error(`unknown table ${lut.kind}`);
    for (let i = 0; i < table.length; i++) table[i] = lut.ids[i % lut.ids.length]!;
    this.maps.of(this.testCase.family).maglev.set(this.testCase.initial.service.rev_nat_index, table);
  }

  step(step: Step): unknown {
    const { services, backends } = this.maps.of(this.testCase.family);
    const { rev_nat_index: revNatIndex } = this.testCase.initial.service;
    const { op, t_ns } = step;
    switch (op) {
      case 'packet':
        return this.packet(step);
      case 'restore':
        exactKeys(step, ['op', 't_ns', 'slots', 'note']);
        for (const backend of this.backends) {
          backend.flags = 0;
          this.#putBackend(backend);
        }
        this.#putService(this.backends.map(({ id }) => id));
        return {
          op,
          t_ns,
          slots: this.backends.map(({ id }) => id),
          note: 'all remaining backends rewritten as active, slots 1..n, count=n',
        };
      case 'set_backend_state': {
        exactKeys(step, ['op', 't_ns', 'backend_id', 'flags']);
        const { backend_id: id, flags } = step;
        // Written whole: a backend that was deleted is there again.
        this.#putBackend({ ...this.testCase.initial.backends.find((backend) => backend.id === id)!, flags });
        return { op, t_ns, backend_id: id, flags: backends.get(id)!.state };
      }
      case 'remove_from_service':
        exactKeys(step, ['op', 't_ns', 'backend_id', 'slots', 'lut', 'note']);
        this.backends.splice(
          this.backends.findIndex(({ id }) => id === step.backend_id),
          1,
        );
        this.#putService(step.slots);
        this.#putLut(step.lut);
        this.maps.affinityMatch.delete({ revNatIndex, backendId: step.backend_id });
        return {
          op,
          t_ns,
          backend_id: step.backend_id,
          slots: step.slots,
          lut: step.lut,
          note: 'slots renumbered 1..n, count updated, affinity match removed, backend map entry kept',
        };
      case 'delete_backend':
        exactKeys(step, ['op', 't_ns', 'backend_id', 'note']);
        if (!backends.delete(step.backend_id)) throw new Error('no such backend');
        return { op, t_ns, backend_id: step.backend_id, note: 'backend map entry removed, slots/LUT unchanged' };
      case 'remove_all_slots':
        exactKeys(step, ['op', 't_ns', 'note']);
        services.set(this.key, { ...services.get(this.key)!, count: 0 });
        return { op, t_ns, note: 'master count set to 0' };
      default:
        throw new Error(`unknown op ${op}`);
    }
  }

  packet(step: Step): unknown {
    const { family } = this.testCase;
    const now = secondsOf(step.t_ns);
    const { packet, headers } = loadFrame(step.packet_hex);
    if (headers.family !== family) throw new Error('packet of the wrong family');
    const before = ctContents(family, this.tcp, this.any);
    const tuple = createTuple(family);
    const extracted = extractTuple(packet, headers, tuple, true);
    if (extracted !== 0 || !this.path.find(tuple)) throw new Error('no service');
    const words = [...step.random_words];
    const drawn: number[] = [];
    const random = (): number => {
      const word = words.shift();
      if (word === undefined) throw new Error('a random word too many');
      drawn.push(word);
      return word;
    };
    const serviceState = new CtState();
    const tcpFlags = headers.protocol === 6 ? packet.u8(headers.l4 + 13) : 0;
    if ('fail' in step && step.fail !== 'ct map update forced to -12') throw new Error(`unknown failure ${step.fail}`);
    this.tcp.failWith = 'fail' in step ? ENOMEM : 0;
    this.any.failWith = this.tcp.failWith;
    this.conntrack.extErr = 0;
    const p = { packet, headers, now, random, trace: undefined, serviceState };
    const ret = this.path.translate(p, tuple, tcpFlags, step.skip_xlate);
    this.tcp.failWith = 0;
    this.any.failWith = 0;
    const changed = changedEntries(before, ctContents(family, this.tcp, this.any, rowsByAge));
    const out = toHex(packet.copy());
    return {
      op: 'packet',
      t_ns: step.t_ns,
      now,
      packet: describeFrame(step.packet_hex),
      packet_hex: step.packet_hex,
      skip_xlate: step.skip_xlate,
      random_words: drawn,
      ret,
      ret_name: ret === 0 ? 'CTX_ACT_OK' : `DROP_${dropReasonName(-ret)}`,
      ext_err: this.conntrack.extErr,
      tuple_out: keyRecord(viewTuple(family, tuple)),
      state_out: stateRecord(serviceState),
      packet_out_hex: out === step.packet_hex ? 'unchanged' : out,
      ct_changed: changed.map(({ map, key, value, new: isNew }) => ({
        map,
        key,
        value,
        expires_in: (value['lifetime']! - now) >>> 0,
        new: isNew,
      })),
      affinity_after: inAffinityOrder(step.affinity_after, affinityEntries(this.maps, family)),
      ...('fail' in step ? { fail: step.fail } : {}),
    };
  }
}

function run(testCase: Case): unknown {
  exactKeys(testCase, ['name', 'family', 'algorithm', 'table_size', 'loopback_build', 'initial', 'steps']);
  const { initial } = testCase;
  exactKeys(initial, ['service', 'backends', 'lut', 'affinity_match', 'local_endpoints']);
  const replay = new Replay(testCase);
  const { services, backends, maglev } = replay.maps.of(testCase.family);
  const value = services.get(replay.key)!;
  const answer = {
    ...testCase,
    family: replay.key.address.family,
    table_size: testCase.algorithm === 'maglev' ? (maglev.get(value.revNatIndex)?.length ?? testCase.table_size) : null,
    initial: {
      ...initial,
      service: {
        address: formatAddress(replay.key.address),
        port: replay.key.port,
        key_proto: replay.key.protocol,
        rev_nat_index: value.revNatIndex,
        flags: value.flags & 0xff,
        flags2: value.flags >>> 8,
        affinity_timeout: initial.service.affinity_timeout === null ? null : value.union & 0xffffff,
        count: value.count,
      },
      backends: initial.backends.map(({ id }) => {
        const backend = backends.get(id)!;
        return { id, address: formatAddress(backend.address), port: backend.port, flags: backend.state };
      }),
    },
  };
  return { ...answer, steps: testCase.steps.map((step) => replay.step(step)) };
}

conformance<{ meta: { count: number }; cases: Case[] }, Case>(
  'local',
  (doc) => {
    if (doc.meta.count !== doc.cases.length) throw new Error('meta.count does not match');
    return doc.cases;
  },
  run,
);
