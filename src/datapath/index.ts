export { Act, HookContext, Mark, RedirectKind, Transfer } from './context.ts';
export type { Hook } from './hooks.ts';
export * from './metrics.ts';
export * from './node.ts';
export { NodeFamily } from './node-family.ts';
export * from './options.ts';
export * from './service.ts';
export * from './verdict.ts';
