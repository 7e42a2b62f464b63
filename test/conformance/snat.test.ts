import { Conntrack } from '../../src/conntrack/conntrack.ts';
import { createTuple, type CtTuple, viewTuple } from '../../src/conntrack/tuple.ts';
import { type Family, formatWords, parseAddress, wordsOf } from '../../src/net/address.ts';
import { natValueWords, type NatEntry, viewNatEntry } from '../../src/nat/entry.ts';
import { Nat, SnatTarget } from '../../src/nat/nat.ts';
import { PacketNat, readNatTuple } from '../../src/nat/packet.ts';
import { clampPort, keepPort } from '../../src/nat/ports.ts';
import {
  changedEntries,
  ctContents,
  ctTable,
  FailingTable,
  keyRecord,
  type KeyRecord,
  type MapRecord,
  rowsByAge,
  rowsByKey,
  secondsOf,
  tupleFrom,
} from './ct-records.ts';
import { conformance } from './harness.ts';
import { loadFrame, toHex } from './packets.ts';

interface TargetRecord {
  readonly addr: string;
  readonly min_port: number;
  readonly max_port: number;
  readonly needs_ct: boolean;
  readonly from_local_endpoint?: boolean;
}

interface NatRecord {
  readonly key: KeyRecord;
  readonly value: {
    readonly created: number;
    readonly needs_ct: number;
    readonly to_addr: string;
    readonly to_port: number;
  };
}

interface Step {
  readonly op: string;
  readonly t_ns: string;
  readonly tuple: KeyRecord;
  readonly key: KeyRecord;
  readonly tcp_flags: number | null;
  readonly target: TargetRecord;
  readonly occupied_ports: readonly number[];
  readonly forward_exists: boolean;
  readonly fail: { readonly update_index: number; readonly errno: number } | null;
  readonly random_words: readonly number[];
  readonly packet_hex: string;
  readonly note?: string;
}

interface Case {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly val: number;
  readonly random_word: number;
  readonly family: Family;
  readonly initial: readonly NatRecord[];
  readonly steps: readonly Step[];
}

const DROPS: Readonly<Record<number, string>> = {
  0: 'OK',
  [-134]: 'DROP_INVALID',
  [-135]: 'DROP_CT_INVALID_HDR',
  [-137]: 'DROP_CT_UNKNOWN_PROTO',
  [-142]: 'DROP_UNKNOWN_L4',
  [-143]: 'DROP_UNKNOWN_ICMP4_CODE',
  [-145]: 'DROP_UNKNOWN_ICMP6_CODE',
  [-154]: 'DROP_CSUM_L4',
  [-155]: 'DROP_CT_CREATE_FAILED',
  [-156]: 'DROP_INVALID_EXTHDR',
  [-167]: 'DROP_NAT_NO_MAPPING',
  [-168]: 'DROP_NAT_UNSUPP_PROTO',
  [-173]: 'DROP_NAT_NOT_NEEDED',
};

/** A NAT table that records the ports tried and can be made to fail at one of its insertions. */
class RecordingTable extends FailingTable {
  portsTried: number[] = [];
  updates = 0;
  fail: Step['fail'] = null;
  override create(key: CtTuple, at = 0): number {
    if ((key[key.length - 1]! & 0xff) === 1) this.portsTried.push(key[key.length - 2]! >>> 16);
    this.failWith = this.fail?.update_index === this.updates ? this.fail.errno : 0;
    this.updates++;
    return super.create(key, at);
  }
}

function entryRecord(entry: NatEntry): NatRecord {
  const { created, needsCt, toAddr, toPort } = entry;
  return { key: keyRecord(entry), value: { created, needs_ct: needsCt ? 1 : 0, to_addr: toAddr, to_port: toPort } };
}

class Replay {
  readonly family: Family;
  readonly ct: Conntrack;
  readonly table: RecordingTable;
  readonly nat: Nat;
  readonly packets: PacketNat;
  words: number[] = [];
  used = 0;

  constructor(family: Family) {
    this.family = family;
    this.ct = new Conntrack(family, { reportFlags: 0xff }, { tcp: ctTable(family), any: ctTable(family) });
    this.table = this.newTable();
    this.nat = new Nat(this.ct, this.table);
    this.packets = new PacketNat(this.nat);
  }

  newTable(): RecordingTable {
    const w = wordsOf(this.family);
    return new RecordingTable({ kind: 'hash', keyWords: 2 * w + 2, valueWords: natValueWords(w), maxEntries: 100_000 });
  }

  readonly random = (): number => {
    const word = this.words[this.used++];
    if (word === undefined) throw new Error('more random words drawn than recorded');
    return word;
  };

  contents(order = rowsByKey): NatRecord[] {
    return order(this.table).map((row) => entryRecord(viewNatEntry(this.family, this.table, row)));
  }

  put(record: NatRecord): void {
    const { to_addr, to_port, created, needs_ct } = record.value;
    this.nat.put(tupleFrom(this.family, record.key), parseAddress(to_addr).words, 0, to_port, needs_ct === 1, created);
  }

  target(record: TargetRecord): SnatTarget {
    const target = new SnatTarget(this.family);
    target.addr.set(parseAddress(record.addr).words);
    target.setRange(record.min_port, record.max_port);
    target.needsCt = record.needs_ct;
    target.fromLocalEndpoint = record.from_local_endpoint === true;
    return target;
  }

  step(step: Step): object {
    const { op, t_ns } = step;
    const now = secondsOf(t_ns);
    if (op === 'new_mapping') this.occupy(step);
    const before = this.contents();
    const ctBefore = this.ctContents();
    const retries = [...this.nat.retries];
    const signals = this.nat.fillUpSignals;
    const ctSignals = this.ct.fillUpSignals;
    this.words = [...step.random_words];
    this.used = 0;
    Object.assign(this.table, { portsTried: [], updates: 0, fail: op === 'new_mapping' ? step.fail : null });
    this.nat.ctStatus = -1;

    const { inputs, ret, output } = this.run(step, now);
    const retry = this.nat.retries.findIndex((count, i) => count !== retries[i]);
    const ctChanged = this.ctChanged(ctBefore);
    return {
      op,
      t_ns,
      now,
      ...inputs,
      random_words: this.words.slice(0, this.used),
      random_used: this.used,
      ...(ret === undefined ? {} : { ret, ret_name: DROPS[ret], ext_err: this.nat.extErr }),
      ...output,
      ...(retry < 0 ? {} : { retries: retry, ports_tried: this.table.portsTried }),
      snat_changed: changedEntries(before, this.contents(rowsByAge)),
      snat_deleted: this.deletedSince(before),
      ...(ctChanged.length === 0 ? {} : { ct_changed: ctChanged }),
      ...this.signals(this.nat.fillUpSignals - signals, this.ct.fillUpSignals - ctSignals),
    };
  }

  signals(nat: number, ct: number): object {
    const proto = this.family === 4 ? 0 : 1;
    const list = [
      ...Array.from({ length: nat }, () => ({ signal: 0, proto })),
      ...Array.from({ length: ct }, () => ({ signal: 1, proto })),
    ];
    return list.length === 0 ? {} : { signals: list };
  }

  ctContents(order = rowsByKey): MapRecord[] {
    return ctContents(this.family, this.ct.tcp, this.ct.any, order);
  }

  ctChanged(before: MapRecord[]): object[] {
    return changedEntries(before, this.ctContents(rowsByAge));
  }

  deletedSince(before: NatRecord[]): KeyRecord[] {
    const left = new Set(this.contents().map(({ key }) => JSON.stringify(key)));
    return before.map(({ key }) => key).filter((key) => !left.has(JSON.stringify(key)));
  }

  /** The state that the recording of `new_mapping` describes instead of listing it. */
  occupy(step: Step): void {
    const { tuple, target, occupied_ports, forward_exists } = step;
    this.table.clear();
    const dummy = (last: number, port: number): NatRecord['value'] => ({
      created: 0,
      needs_ct: 0,
      to_addr: this.family === 4 ? `10.${last}.${last}.${last}` : `fd00:${last}::${last}`,
      to_port: port,
    });
    for (const port of occupied_ports) {
      const key = {
        daddr: target.addr,
        saddr: tuple.daddr,
        dport: port,
        sport: tuple.dport,
        nexthdr: tuple.nexthdr,
        flags: 1,
      };
      this.put({ key, value: dummy(9, 1) });
    }
    if (forward_exists) this.put({ key: tuple, value: dummy(8, 2) });
  }

  run(step: Step, now: number): { inputs: object; ret?: number; output?: object } {
    const { nat, family } = this;
    switch (step.op) {
      case 'new_mapping': {
        const tuple = tupleFrom(family, step.tuple);
        const ret = nat.newMapping(tuple, this.target(step.target), now, this.random);
        return {
          inputs: {
            tuple: keyRecord(viewTuple(family, tuple)),
            target: step.target,
            occupied_ports: step.occupied_ports,
            forward_exists: step.forward_exists,
            fail: step.fail,
          },
          ret,
          output: this.translation(ret, step.target.needs_ct),
        };
      }
      case 'nat_handle_mapping': {
        const tuple = tupleFrom(family, step.tuple);
        const ret = nat.forward(tuple, this.target(step.target), step.tcp_flags ?? 0xff, 60, now, this.random);
        return {
          inputs: { tuple: keyRecord(viewTuple(family, tuple)), tcp_flags: step.tcp_flags, target: step.target },
          ret,
          output: this.translation(ret, step.target.needs_ct),
        };
      }
      case 'rev_nat_handle_mapping': {
        const tuple = tupleFrom(family, step.tuple);
        const ret = nat.reverse(tuple, step.tcp_flags ?? 0xff, 60, now);
        return {
          inputs: { tuple: keyRecord(viewTuple(family, tuple)), tcp_flags: step.tcp_flags },
          ret,
          output: this.translation(ret, nat.ctStatus >= 0),
        };
      }
      case 'evict':
        this.table.delete(tupleFrom(family, step.key));
        return { inputs: { key: step.key } };
      case 'snat_nat':
      case 'snat_rev_nat':
        return this.runPacket(step, now);
      default:
        throw new Error(`unknown op ${step.op}`);
    }
  }

  runPacket(step: Step, now: number): { inputs: object; ret: number; output: object } {
    const { packet, headers } = loadFrame(step.packet_hex);
    const target = this.target(step.target);
    const tuple = createTuple(this.family);
    let ret = readNatTuple(packet, headers, tuple);
    this.nat.extErr = 0;
    if (ret === 0) {
      ret =
        step.op === 'snat_nat'
          ? this.packets.forward(packet, headers, tuple, target, now, this.random)
          : this.packets.reverse(packet, headers, tuple, target, now);
    }
    const out = toHex(packet.frame());
    return {
      inputs: {
        target: step.target,
        packet_hex: step.packet_hex,
        ...(step.note === undefined ? {} : { note: step.note }),
      },
      ret,
      output: { packet_out_hex: out === step.packet_hex ? 'unchanged' : out },
    };
  }

  /** What the caller gets, and what conntrack said if it was (to be) asked. */
  translation(ret: number, tracked: boolean): object {
    const { nat, ct } = this;
    const asked = nat.ctStatus >= 0;
    return {
      ...(ret === 0
        ? {
            entry: {
              created: nat.created,
              needs_ct: nat.needsCt ? 1 : 0,
              to_addr: formatWords(this.family, nat.toAddr),
              to_port: nat.toPort,
            },
          }
        : {}),
      ...(tracked
        ? {
            monitor: asked && ct.monitor >= 0 ? ct.monitor : null,
            ct_status: asked ? ['NEW', 'ESTABLISHED', 'REPLY', 'RELATED'][nat.ctStatus] : null,
          }
        : {}),
    };
  }
}

conformance<{ cases: Case[] }, Case>(
  'snat',
  (doc) => doc.cases,
  (testCase) => {
    const { kind, family } = testCase;
    if (kind === 'clamp') {
      const { start, end, val } = testCase;
      return { kind, start, end, val, port: clampPort(start, end, val) };
    }
    if (kind === 'try_keep') {
      const { start, end, val, random_word } = testCase;
      let random_used = 0;
      const port = keepPort(start, end, val, () => {
        random_used++;
        return random_word;
      });
      return { kind, start, end, val, random_word, random_used, port };
    }
    const replay = new Replay(family);
    for (const record of testCase.initial ?? []) replay.put(record);
    const steps = testCase.steps.map((step) => replay.step(step));
    if (kind === 'new_mapping') return { kind, family, steps };
    if (kind === 'sequence' || kind === 'exhaustion') return { kind, family, steps, final: replay.contents() };
    if (kind === 'packet') return { kind, family, initial: testCase.initial, steps };
    throw new Error(`unknown kind ${kind}`);
  },
);
