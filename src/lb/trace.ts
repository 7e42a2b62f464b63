/** One step of a hook, for people: keys and values are objects with names and texts. */
export type TraceEvent =
  | { readonly kind: 'lookup'; readonly map: string; readonly key: unknown; readonly value: unknown }
  | { readonly kind: 'update'; readonly map: string; readonly key: unknown; readonly value: unknown }
  | { readonly kind: 'delete'; readonly map: string; readonly key: unknown }
  /** A random word (u32) was drawn. */
  | { readonly kind: 'random'; readonly word: number }
  /** Something was decided; `detail` says on what grounds. */
  | { readonly kind: 'decision'; readonly what: string; readonly result: unknown; readonly detail?: unknown }
  | { readonly kind: 'rewrite'; readonly field: string; readonly from: unknown; readonly to: unknown }
  | { readonly kind: 'verdict'; readonly verdict: string; readonly detail?: unknown };

/**
 * Listens to what a hook does, step by step, in order. A lookup's `value` is `undefined` for a miss. Steps are made into
 * events only when somebody listens; listening changes nothing.
 */
export interface Trace {
  event(event: TraceEvent): void;
}
