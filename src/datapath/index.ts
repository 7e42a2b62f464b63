export {
  Act,
  HookContext,
  identityMark,
  identityOfMark,
  Mark,
  proxyPortOfMark,
  RedirectKind,
  Transfer,
} from './context.ts';
export * from './flow.ts';
export { type Hook, HOOKS } from './hooks.ts';
export * from './metrics.ts';
export * from './node.ts';
export { NodeFamily } from './node-family.ts';
export * from './options.ts';
export type { PodInterface } from './pod-family.ts';
export * from './service.ts';
export * from './verdict.ts';
