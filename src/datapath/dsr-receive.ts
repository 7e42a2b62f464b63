import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtBit, CtWord } from '../conntrack/entry.ts';
import { copyTuple, reverseTuple, setTupleFlags, TupleFlag } from '../conntrack/tuple.ts';
import { DropReason } from '../net/drop-reason.ts';
import { DsrError, findDsrExtension, readDsrGeneveOption, readDsrOption } from '../net/dsr.ts';
import { TcpFlag, TCP } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import type { HookContext } from './context.ts';
import { lookupConntrack } from './ct.ts';
import type { NodeFamily } from './node-family.ts';
import { traceCreated, traceNat } from './trace.ts';

const NOT_DSR = 0;
const DSR = 1;

/**
 * The backend's side of direct server return: a request that tells the service it was sent to leaves a connection marked DSR and,
 * in the NAT map, the service's address for the replies (docs/northsouth.md).
 * @returns 1 for a packet of a DSR connection, 0 for others, or a negative drop reason
 */
export function receiveDsr(f: NodeFamily, ctx: HookContext): number {
  const { headers, packet, service, state } = ctx;
  const w = f.words;
  const tuple = ctx.other;
  copyTuple(tuple, ctx.tuple, f.words);
  reverseTuple(tuple, w);
  let informed = true;
  if (headers.protocol === Protocol.TCP) {
    if (!packet.has(headers.l4 + TCP.FLAGS, 1)) return -DropReason.CT_INVALID_HDR;
    if ((packet.u8(headers.l4 + TCP.FLAGS) & TcpFlag.SYN) === 0) {
      const bits = f.conntrack.egressBits(tuple);
      if (bits < 0 || (bits & CtBit.DSR_INTERNAL) === 0) return NOT_DSR;
      informed = false;
    }
  }
  if (informed) {
    const found = readService(f, ctx);
    if (found < 0) return found;
    if (found === NOT_DSR) {
      if (headers.protocol === Protocol.TCP && !f.node.options.defects.dsrStaleMark) clearMark(f, ctx);
      return NOT_DSR;
    }
  }
  const port = informed ? service[4]! : 0;
  state.clear();
  const status = lookupConntrack(f, ctx, tuple, CtDir.EGRESS, CtScope.FORWARD, CtType.DSR, state);
  if (status < 0) return status;
  if (status !== CtStatus.NEW && (headers.protocol !== Protocol.TCP || port === 0)) return DSR;
  if (port === 0) return -DropReason.INVALID;
  return create(f, ctx, port);
}

/** Reads the service from the packet or its tunnel metadata into `ctx.service`. */
function readService(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, service } = ctx;
  if (ctx.overlay) return readDsrGeneveOption(ctx.tunnelOptions, f.words, service) ? DSR : NOT_DSR;
  if (f.family === 4) {
    const found = readDsrOption(packet, headers.l3, service);
    return found < 0 ? -DropReason.INVALID : found;
  }
  const found = findDsrExtension(packet, headers.l3, service);
  if (found === DsrError.TRUNCATED) return -DropReason.INVALID;
  return found === DsrError.BAD_EXTENSION ? -DropReason.INVALID_EXTHDR : found;
}

/** What the reference means to do with a connection whose SYN comes without DSR: docs/fidelity.md, dsrStaleMark. */
function clearMark(f: NodeFamily, ctx: HookContext): void {
  const tuple = ctx.other;
  setTupleFlags(tuple, f.words, TupleFlag.OUT);
  const table = f.conntrack.tableOf(tuple);
  const row = table.find(tuple);
  if (row >= 0) table.rows[table.valueAt(row) + CtWord.BITS_REV_NAT]! &= ~CtBit.DSR_INTERNAL;
}

function create(f: NodeFamily, ctx: HookContext, port: number): number {
  const { state, service } = ctx;
  const tuple = ctx.other;
  const w = f.words;
  state.clear();
  state.srcSecId = f.worldId;
  state.bits = CtBit.DSR_INTERNAL;
  const failure = f.conntrack.create(tuple, CtDir.EGRESS, state, false, ctx.packet.length, ctx.now);
  if (failure !== 0) {
    ctx.extError = f.conntrack.extErr;
    return failure;
  }
  if (ctx.trace !== undefined) traceCreated(f, ctx, tuple);
  // The NAT key is the reply's tuple: the conntrack tuple with its ports crossed.
  const ports = tuple[2 * w]!;
  tuple[2 * w] = ((ports << 16) | (ports >>> 16)) >>> 0;
  setTupleFlags(tuple, w, TupleFlag.OUT);
  const stored = f.nat.put(tuple, service, 0, port, false, ctx.now);
  if (stored === 0) {
    if (ctx.trace !== undefined) traceNat(f, ctx, tuple, true);
    return DSR;
  }
  ctx.extError = stored;
  return -DropReason.NAT_NO_MAPPING;
}
