export { Act, HookContext, identityMark, identityOfMark, Mark, RedirectKind, Transfer } from './context.ts';
export type { Hook } from './hooks.ts';
export * from './metrics.ts';
export * from './node.ts';
export { NodeFamily } from './node-family.ts';
export * from './options.ts';
export type { PodInterface } from './pod-family.ts';
export * from './service.ts';
export * from './verdict.ts';
