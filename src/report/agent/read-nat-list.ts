import { LbtwinError } from '../../errors.ts';
import type { NatEntry } from '../../nat/entry.ts';
import { TupleFlag } from '../../conntrack/tuple.ts';
import { formatAddress, tryParseAddress } from '../../net/address.ts';
import { parseProtocol } from '../../net/protocol.ts';

// PROTO IN|OUT saddr:sport -> daddr:dport XLATE_SRC|XLATE_DST addr:port Created=... NeedsCT=n
const LINE =
  /^(\S+) (IN|OUT) (\S+):(\d{1,5}) -> (\S+):(\d{1,5}) XLATE_(SRC|DST) (\S+):(\d{1,5}) Created=(?:(\d+)|\? \(raw (\d+)\)).* NeedsCT=(\d+)$/;

function address(text: string): string | undefined {
  const parsed = tryParseAddress(text.replace(/^\[(.*)\]$/, '$1'));
  return parsed === undefined ? undefined : formatAddress(parsed);
}

function protocolNumber(text: string): number | undefined {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  try {
    return parseProtocol(text);
  } catch {
    return undefined;
  }
}

/**
 * The entries of a pasted `bpf nat list`. Empty lines are skipped. `created` is the age in seconds where the listing tells ages.
 * @throws LbtwinError `invalid-listing` with the line's number (from 1) as path
 */
export function readNatList(text: string): NatEntry[] {
  const entries: NatEntry[] = [];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const match = LINE.exec(line.trim());
    const protocol = match === null ? undefined : protocolNumber(match[1]!);
    const [saddr, daddr, toAddr] = [match?.[3], match?.[5], match?.[8]].map((part) => address(part ?? ''));
    if (
      match === null ||
      protocol === undefined ||
      saddr === undefined ||
      daddr === undefined ||
      toAddr === undefined
    ) {
      throw new LbtwinError('invalid-listing', `${JSON.stringify(line.slice(0, 100))} is no line of bpf nat list`, {
        path: [i + 1],
        allowed: 'PROTO IN|OUT ADDR:PORT -> ADDR:PORT XLATE_SRC|XLATE_DST ADDR:PORT Created=… NeedsCT=…',
      });
    }
    entries.push({
      saddr,
      sport: Number(match[4]),
      daddr,
      dport: Number(match[6]),
      protocol,
      flags: match[2] === 'IN' ? TupleFlag.IN : TupleFlag.OUT,
      toAddr,
      toPort: Number(match[9]),
      created: Number(match[10] ?? match[11]),
      needsCt: match[12] !== '0',
    });
  });
  return entries;
}
