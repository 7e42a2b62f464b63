import { LbtwinError } from '../../errors.ts';
import type { AgentListing } from './lb-maps.ts';

/** A frontend as `bpf lb list` shows it. */
export interface LiveFrontend {
  /** `10.96.0.20:80/TCP`, with `/i` behind it for the entry of clients inside. */
  readonly frontend: string;
  /** `ClusterIP`, `non-routable`, … */
  readonly flags: readonly string[];
  /** By slot: `10.244.1.1:8080/TCP`, or `backend 12 not found`. */
  readonly backends: readonly string[];
}

interface Draft {
  frontend: string;
  flags: string[] | undefined;
  backends: Map<number, string>;
}

// 10.96.0.20:80/TCP (1)   10.244.1.1:8080/TCP (2) (1)
const KEY = /^(\S+:\d{1,5}(?:\/[A-Z]+)?(?:\/i)?) \((\d+)\)$/;
const MASTER = /^\S+ \(\d+\) \(0\) \[([^\]]*)\](?: \(L7LB Proxy Port: \d+\))?$/;
const SLOT = /^(?:(\S+) \(\d+\) \(\d+\)|(backend \d+ not found).*)$/;

const wrong = (line: number, text: string): LbtwinError =>
  new LbtwinError('invalid-listing', `${JSON.stringify(text.slice(0, 100))} is no line of bpf lb list`, {
    path: [line],
    allowed: 'ADDR:PORT/PROTO (SLOT)   BACKEND (REVNAT_ID) (SLOT) [FLAGS]',
  });

function take(drafts: Map<string, Draft>, key: string, value: string, line: number): void {
  const [, frontend, slotText] = KEY.exec(key) ?? [];
  if (frontend === undefined) throw wrong(line, `${key}   ${value}`);
  const draft = drafts.get(frontend) ?? { frontend, flags: undefined, backends: new Map<number, string>() };
  drafts.set(frontend, draft);
  const slot = Number(slotText);
  const match = (slot === 0 ? MASTER : SLOT).exec(value);
  if (match === null) throw wrong(line, `${key}   ${value}`);
  if (slot === 0) draft.flags = match[1]!.split(', ').filter((name) => name !== '');
  else draft.backends.set(slot, (match[1] ?? match[2])!);
}

const finish = (drafts: Map<string, Draft>): Map<string, LiveFrontend> =>
  new Map(
    [...drafts].map(([key, { frontend, flags = [], backends }]) => [
      key,
      { frontend, flags, backends: [...backends].sort(([a], [b]) => a - b).map(([, backend]) => backend) },
    ]),
  );

/** The frontends of a listing that the twin made. */
export function frontendsOfListing({ rows }: AgentListing): Map<string, LiveFrontend> {
  const drafts = new Map<string, Draft>();
  for (const [i, [key, value]] of rows.entries()) take(drafts, key, value, i + 1);
  return finish(drafts);
}

/**
 * The frontends of a pasted `bpf lb list`, as text or as `-o json`. Entries come in any order.
 * @throws LbtwinError `invalid-listing` with the line's number (from 1) as path
 */
export function readLbList(text: string): Map<string, LiveFrontend> {
  const drafts = new Map<string, Draft>();
  if (text.trimStart().startsWith('{')) {
    for (const [key, values] of Object.entries(parseJson(text))) take(drafts, key, String([values].flat()[0]), 1);
    return finish(drafts);
  }
  text.split('\n').forEach((raw, i) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('SERVICE ADDRESS')) return;
    const columns = /^(.*?\(\d+\))\s{2,}(.*)$/.exec(line);
    if (columns === null) throw wrong(i + 1, line);
    take(drafts, columns[1]!, columns[2]!, i + 1);
  });
  return finish(drafts);
}

function parseJson(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new LbtwinError('invalid-listing', 'the text is no JSON', { allowed: 'the output of bpf lb list -o json' });
  }
}
