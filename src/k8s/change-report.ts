import type { ObjectRef, Warning } from './objects/fields.ts';
import type { Refusal } from './objects/read.ts';
import type { AddressConflict } from './tables.ts';

/** An address that an object wants and another service has. */
export interface Conflict extends AddressConflict {
  readonly object: ObjectRef;
}

/** What one call changed. */
export interface ChangeReport {
  /** Objects that could not be read; the others took effect. */
  readonly refused: readonly Refusal[];
  readonly warnings: readonly Warning[];
  /** Services and pods refused because an address has another owner; they are tried again when they change. */
  readonly conflicts: readonly Conflict[];
  /** Objects of kinds that are not looked at, by kind. */
  readonly ignored: ReadonlyMap<string, number>;
  /** Addresses of frontends written to the maps, and of those removed from them. */
  readonly updated: readonly string[];
  readonly removed: readonly string[];
  /** Addresses of frontends whose entries a map refused. */
  readonly failed: readonly string[];
  /** Map operations done. */
  readonly mapWrites: number;
}

/** What a call finds out about its objects, before the maps are written. */
export interface InputReport {
  refused: readonly Refusal[];
  readonly warnings: Warning[];
  readonly conflicts: Conflict[];
  ignored: ReadonlyMap<string, number>;
}

export const emptyReport = (): InputReport => ({ refused: [], warnings: [], conflicts: [], ignored: new Map() });
