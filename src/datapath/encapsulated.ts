import { DropReason } from '../net/drop-reason.ts';
import { ETH, EtherType, GENEVE, IPV4, UDP } from '../net/headers.ts';
import { Headers, Parse, readIp } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import { Act, type HookContext, Transfer } from './context.ts';
import { extractTuple } from './extract.ts';
import type { NodeFamily } from './node-family.ts';
import { notModelled } from './not-modelled.ts';
import { reverseNat } from './reverse.ts';

const NOT_ENCAPSULATED = 0;
const ENCAPSULATED = 1;
/** Bits of Geneve's first byte that hold the length of the options. */
const OPTION_LENGTH_MASK = 0x3f;

const inner = new Headers();

/**
 * A request that comes encapsulated: the program means to balance the packet inside, but takes the outer packet's ports for its own. It
 * finds no service, and the packet goes up as it came (docs/fidelity.md).
 * @returns what becomes of the packet, or undefined if it is not such a request
 * @throws LbtwinError `not-modelled` if there is a service at the inner address and the tunnel's port
 */
export function encapsulatedRequest(f: NodeFamily, ctx: HookContext): number | undefined {
  const read = readInner(f, ctx);
  if (read !== ENCAPSULATED) return read === NOT_ENCAPSULATED ? undefined : read;
  const { packet, headers, tuple } = ctx;
  const { options } = f.node;
  ctx.transfer |= Transfer.NO_SERVICE;
  const extracted = extractTuple(packet, inner, tuple, options.sctp, f.fragments);
  if (extracted === 0 && f.service.find(tuple, ctx.trace)) {
    throw notModelled('encapsulated requests to the port of the tunnel', 'services with other ports');
  }
  if (extracted === -DropReason.UNKNOWN_L4) return Act.OK;
  if (extracted === -DropReason.UNSUPP_SERVICE_PROTO) {
    if (!f.bpfMasquerade) return Act.OK;
  } else if (extracted !== 0) return extracted;
  // From here on it is about the outer packet again.
  const outer = extractTuple(packet, headers, tuple, options.sctp, f.fragments);
  return outer === 0 ? reverseNat(f, ctx, true) : outer;
}

/** Reads the headers inside into `inner`, with the L4 offset that the program takes. Negative: a drop reason. */
function readInner(f: NodeFamily, { packet, headers }: HookContext): number {
  const { l4 } = headers;
  if (headers.protocol !== Protocol.UDP || headers.headerLength !== IPV4.SIZE) return NOT_ENCAPSULATED;
  if (!packet.has(l4 + UDP.DST_PORT, 2)) return -DropReason.INVALID;
  if (packet.u16(l4 + UDP.DST_PORT) !== f.node.options.tunnelPort) return NOT_ENCAPSULATED;
  if (!packet.has(l4 + UDP.CHECKSUM, 2)) return -DropReason.INVALID;
  if (packet.u16(l4 + UDP.CHECKSUM) !== 0) return NOT_ENCAPSULATED;
  const geneve = l4 + UDP.SIZE;
  if (!packet.has(geneve, GENEVE.SIZE)) return -DropReason.INVALID;
  if (packet.u16(geneve + GENEVE.PROTOCOL) !== EtherType.TRANSPARENT_BRIDGING) return NOT_ENCAPSULATED;
  if ((packet.u8(geneve + GENEVE.OPTION_LENGTH) & OPTION_LENGTH_MASK) !== 0) return NOT_ENCAPSULATED;
  const ethernet = geneve + GENEVE.SIZE;
  if (!packet.has(ethernet, ETH.SIZE) || packet.u16(ethernet + ETH.TYPE) !== EtherType.IPV4) return NOT_ENCAPSULATED;
  if (readIp(packet, ethernet + ETH.SIZE, 4, inner) !== Parse.OK) return -DropReason.INVALID;
  inner.l4 = ETH.SIZE + inner.headerLength;
  return ENCAPSULATED;
}
