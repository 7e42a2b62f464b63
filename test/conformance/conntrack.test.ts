import { Conntrack } from '../../src/conntrack/conntrack.ts';
import { CtDir, CtScope, CtStatus } from '../../src/conntrack/kinds.ts';
import { type CtState } from '../../src/conntrack/entry.ts';
import type { ConntrackOptions } from '../../src/conntrack/options.ts';
import { lookupPacket } from '../../src/conntrack/packet.ts';
import { createTuple, type CtTuple, viewTuple } from '../../src/conntrack/tuple.ts';
import type { Family } from '../../src/net/address.ts';
import {
  changedEntries,
  ctContents,
  ctTable,
  type FailingTable,
  keyRecord,
  type KeyRecord,
  type MapRecord,
  rowsByAge,
  rowsByKey,
  secondsOf,
  stateFrom,
  type StateRecord,
  stateRecord,
  tupleFrom,
} from './ct-records.ts';
import { conformance } from './harness.ts';
import { describeFrame, frameLength, loadFrame, type PacketRecord } from './packets.ts';

interface Step {
  readonly op: string;
  readonly t_ns: string;
  readonly packet: PacketRecord;
  readonly packet_hex: string;
  readonly packet_len?: number;
  readonly tuple: KeyRecord;
  readonly tuple_in: KeyRecord;
  readonly tcp_flags: number | null;
  readonly dir: string;
  readonly scope: string;
  readonly entry_types: number;
  readonly state_in: StateRecord;
  readonly state: StateRecord | null;
  readonly related: boolean;
  readonly fail?: { readonly update_of: string; readonly errno: number };
  readonly backend_id: number;
  readonly rev_nat_index: number;
}

interface Case {
  readonly name: string;
  readonly family: Family;
  readonly build: string;
  readonly config: Record<string, number>;
  readonly steps: readonly Step[];
}

function choose(names: Readonly<Record<string, number>>, name: string): number {
  const value = names[name.toUpperCase()];
  if (value === undefined) throw new Error(`unknown name ${name}`);
  return value;
}

const statusName = (status: number): string | undefined =>
  Object.entries(CtStatus).find(([, value]) => value === status)?.[0];

const DROPS: Readonly<Record<number, string>> = {
  [-134]: 'DROP_INVALID',
  [-135]: 'DROP_CT_INVALID_HDR',
  [-137]: 'DROP_CT_UNKNOWN_PROTO',
  [-155]: 'DROP_CT_CREATE_FAILED',
  [-157]: 'DROP_FRAG_NOSUPPORT',
};

const CONFIG: Readonly<Record<string, keyof ConntrackOptions>> = {
  tcp: 'tcpTimeout',
  nontcp: 'anyTimeout',
  svc_tcp: 'serviceTcpTimeout',
  svc_nontcp: 'serviceAnyTimeout',
  grace: 'serviceTcpGrace',
  syn: 'synTimeout',
  fin: 'finTimeout',
  report_interval: 'reportInterval',
  report_flags: 'reportFlags',
};

function optionsOf({ build, config }: Case): Partial<ConntrackOptions> {
  const names = Object.keys(config);
  if (names.length !== Object.keys(CONFIG).length || names.some((name) => CONFIG[name] === undefined)) {
    throw new Error(`unknown config ${names.join()}`);
  }
  if (!['plain', 'loopback', 'accounting'].includes(build)) throw new Error(`unknown build ${build}`);
  const options = Object.fromEntries(names.map((name) => [CONFIG[name]!, config[name]!]));
  return { ...options, loopback: build === 'loopback', accounting: build === 'accounting' };
}

class Replay {
  readonly family: Family;
  readonly tcp: FailingTable;
  readonly any: FailingTable;
  readonly conntrack: Conntrack;
  /** A creation counts the frame of the lookup before it. */
  frameLength = 0;
  constructor(testCase: Case) {
    this.family = testCase.family;
    this.tcp = ctTable(this.family);
    this.any = ctTable(this.family);
    this.conntrack = new Conntrack(this.family, optionsOf(testCase), { tcp: this.tcp, any: this.any });
  }

  contents(order = rowsByKey): MapRecord[] {
    return ctContents(this.family, this.tcp, this.any, order);
  }

  step(step: Step): object {
    const now = secondsOf(step.t_ns);
    const before = this.contents();
    this.frameLength = step.packet_len ?? this.frameLength;
    const record = { op: step.op, t_ns: step.t_ns, now, ...this.run(step, now) };
    const changed = changedEntries(before, this.contents(rowsByAge)).map((entry) => ({
      map: entry.map,
      key: entry.key,
      value: entry.value,
      expires_in: (entry.value['lifetime']! - now) >>> 0,
      new: entry.new,
    }));
    return { ...record, changed };
  }

  run(step: Step, now: number): object {
    if (step.op === 'lookup') return this.lookup(step, now);
    if (step.op === 'lazy_lookup') return this.lazyLookup(step, now);
    if (step.op === 'create') return this.create(step, now);
    if (step.op === 'update_svc_entry') {
      const { tuple, backend_id, rev_nat_index } = step;
      const key = tupleFrom(this.family, tuple);
      this.conntrack.updateService(key, backend_id, rev_nat_index);
      return { tuple: keyRecord(viewTuple(this.family, key)), backend_id, rev_nat_index };
    }
    throw new Error(`unknown op ${step.op}`);
  }

  lookup(step: Step, now: number): object {
    const { packet, headers } = loadFrame(step.packet_hex);
    const tuple = createTuple(this.family);
    const state = stateFrom(step.state_in);
    const dir = choose(CtDir, step.dir) as CtDir;
    const scope = choose(CtScope, step.scope) as CtScope;
    const ret = lookupPacket(this.conntrack, packet, headers, tuple, dir, scope, state, now);
    return {
      packet: describeFrame(step.packet_hex),
      packet_len: frameLength(step.packet_hex),
      dir: step.dir,
      scope: step.scope,
      state_in: step.state_in,
      packet_hex: step.packet_hex,
      ...this.answer(ret, tuple, state),
    };
  }

  lazyLookup(step: Step, now: number): object {
    const { dir, scope, entry_types, state_in, tuple_in, tcp_flags, packet_len } = step;
    const tuple = tupleFrom(this.family, tuple_in);
    const state = stateFrom(state_in);
    const [d, s] = [choose(CtDir, dir) as CtDir, choose(CtScope, scope) as CtScope];
    // Flags are those of a real packet: what is not TCP has bytes there, too, which must not matter.
    const flags = tcp_flags ?? 0xff;
    const ret = this.conntrack.lookup(tuple, d, s, entry_types, state, flags, packet_len ?? 0, now);
    return {
      tuple_in,
      tcp_flags: tuple_in.nexthdr === 6 ? tcp_flags : null,
      packet_len,
      dir,
      scope,
      entry_types,
      state_in,
      ...this.answer(ret, tuple, state),
    };
  }

  answer(ret: number, tuple: CtTuple, state: CtState): object {
    if (ret < 0) return { ret, status: DROPS[ret] };
    const { monitor } = this.conntrack;
    return {
      ret,
      status: statusName(ret),
      tuple_out: keyRecord(viewTuple(this.family, tuple)),
      state_out: stateRecord(state),
      monitor: monitor === -1 ? null : monitor,
    };
  }

  create(step: Step, now: number): object {
    const { tuple, dir, related, state, fail } = step;
    const key = tupleFrom(this.family, tuple);
    const main = key[key.length - 1]! >>> 8 === 6 ? this.tcp : this.any;
    if (fail !== undefined && !['main', 'related'].includes(fail.update_of)) throw new Error('unknown failure');
    const failing = fail?.update_of === 'related' ? this.any : main;
    failing.failWith = fail?.errno ?? 0;
    // The related entry comes first, and may go to the same table.
    failing.failAfter = fail?.update_of === 'main' && related && main === this.any ? 1 : 0;
    const signals = this.conntrack.fillUpSignals;
    const ret = this.conntrack.create(
      key,
      choose(CtDir, dir) as CtDir,
      state === null ? null : stateFrom(state),
      related,
      this.frameLength,
      now,
    );
    failing.failWith = 0;
    return {
      tuple: keyRecord(viewTuple(this.family, key)),
      dir,
      related,
      state,
      ...(fail === undefined ? {} : { fail }),
      ret,
      ret_name: ret === 0 ? 'OK' : DROPS[ret],
      ext_err: this.conntrack.extErr,
      ...(this.conntrack.fillUpSignals === signals
        ? {}
        : { signals: [{ signal: 1, proto: this.family === 4 ? 0 : 1 }] }),
    };
  }
}

conformance<{ cases: Case[] }, Case>(
  'conntrack',
  (doc) => doc.cases,
  (testCase) => {
    const { name, family, build, config, steps } = testCase;
    const replay = new Replay(testCase);
    return { name, family, build, config, steps: steps.map((step) => replay.step(step)), final: replay.contents() };
  },
);
