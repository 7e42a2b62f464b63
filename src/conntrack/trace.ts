import type { Trace } from '../lb/trace.ts';
import type { Conntrack } from './conntrack.ts';
import { CtStatus } from './kinds.ts';
import { viewCtEntry } from './entry.ts';
import { type CtTuple, viewTuple } from './tuple.ts';

function entryOf(conntrack: Conntrack, tuple: CtTuple): unknown {
  const table = conntrack.tableOf(tuple);
  const row = table.find(tuple);
  return row < 0 ? undefined : viewCtEntry(conntrack.family, table, row);
}

/** Tells of a conntrack lookup: what was asked, and on a hit the entry as the lookup left it. */
export function traceCtLookup(trace: Trace, conntrack: Conntrack, tuple: CtTuple, status: number): void {
  const value = status === CtStatus.NEW ? undefined : entryOf(conntrack, tuple);
  trace.event({ kind: 'lookup', map: 'conntrack', key: viewTuple(conntrack.family, tuple), value });
}

/** Tells of an entry that was made or changed. */
export function traceCtUpdate(trace: Trace, conntrack: Conntrack, tuple: CtTuple): void {
  const key = viewTuple(conntrack.family, tuple);
  trace.event({ kind: 'update', map: 'conntrack', key, value: entryOf(conntrack, tuple) });
}
