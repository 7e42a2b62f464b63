import type { Journey } from '../cluster/journey.ts';
import { type CaptureRecord, writeCapture } from '../net/pcap.ts';

/** Time between hops in a capture, so that readers keep their order. */
const HOP_NANOSECONDS = 1000;

/**
 * Every frame of a journey as a pcapng file: each hop has an interface `node hook`, with the frame as it came and, if the hop changed it, as
 * it left.
 */
export function journeyCapture({ hops }: Journey): Uint8Array {
  const names: string[] = [];
  const records: CaptureRecord[] = [];
  for (const hop of hops) {
    const name = `${hop.node} ${hop.hook}`;
    let interfaceId = names.indexOf(name);
    if (interfaceId < 0) interfaceId = names.push(name) - 1;
    const add = (bytes: Uint8Array | undefined, comment: string): void => {
      if (bytes === undefined) return;
      records.push({ interfaceId, seconds: hop.at, nanoseconds: records.length * HOP_NANOSECONDS, bytes, comment });
    };
    const drop = hop.drop === undefined ? '' : ` ${hop.drop.name}`;
    add(hop.frameIn, `${hop.direction}: in`);
    if (!sameBytes(hop.frameIn, hop.frameOut)) add(hop.frameOut, `${hop.direction}: out, ${hop.verdict}${drop}`);
  }
  return writeCapture(names, records);
}

const sameBytes = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
  a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
