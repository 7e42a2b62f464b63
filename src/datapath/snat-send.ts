import { copyTuple, setTupleFlags, TupleFlag } from '../conntrack/tuple.ts';
import { hashTuple } from '../hash/tuple.ts';
import { copyAddress } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { replaceEndpoint, Rewrite } from '../net/rewrite.ts';
import { extractTuple } from './extract.ts';
import type { HookContext } from './context.ts';
import { encapsulate } from './encapsulate.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { passTtl, send } from './send.ts';
import { traceIpCache, traceSnat } from './trace.ts';

/** Forwards a translated request to a remote backend from an address of the node's own (docs/northsouth.md). */
export function forwardSnat(f: NodeFamily, ctx: HookContext): number {
  ctx.dropDirection = MetricDirection.EGRESS;
  const { packet, headers, tuple, other } = ctx;
  const { options } = f.node;
  const w = f.words;
  const { target, nat } = f;
  const entry = options.tunnel === undefined ? undefined : f.tables.ipCache.lookup(tuple, 0);
  if (ctx.trace !== undefined && options.tunnel !== undefined) traceIpCache(f, ctx, tuple, entry);
  const endpoint = entry?.skipTunnel === true ? undefined : entry?.tunnelEndpoint;
  const address = endpoint === undefined ? f.nodeAddress : f.routerAddress;
  copyAddress(target.addr, 0, address, 0, w);
  if (headers.fragment) {
    // The ports are read again, from the packet as it is now: a first fragment is remembered under its new address, too.
    const extracted = extractTuple(packet, headers, other, options.sctp, f.fragments);
    if (extracted !== 0) return extracted;
  } else copyTuple(other, tuple, w);
  const passed = passTtl(f, ctx);
  if (passed !== 0) return passed;
  const ports = other[2 * w]!;
  other[2 * w] = ((ports << 16) | (ports >>> 16)) >>> 0;
  setTupleFlags(other, w, TupleFlag.OUT);
  const failure = nat.forward(other, target, 0, packet.length, ctx.now, ctx.random);
  if (failure !== 0) {
    ctx.extError = nat.extErr;
    return failure;
  }
  if (ctx.trace !== undefined) traceSnat(f, ctx, other);
  const sport = ports >>> 16;
  const l4 = headers.laterFragment ? -1 : headers.l4;
  const result = replaceEndpoint(
    packet,
    f.family,
    headers.l3,
    f.sourceOffset,
    nat.toAddr,
    0,
    l4,
    headers.protocol,
    0,
    sport,
    nat.toPort,
  );
  if (result !== Rewrite.OK) return result === Rewrite.L4_CHECKSUM ? -DropReason.CSUM_L4 : -DropReason.WRITE_ERROR;
  ctx.snatDone();
  if (endpoint === undefined) return send(f, ctx, headers.l3, false);
  const hash = hashTuple(f.family, nat.toAddr, 0, nat.toPort, ports & 0xffff, headers.protocol, f.hashSeed);
  return encapsulate(f, ctx, endpoint, hash, 0, false);
}
