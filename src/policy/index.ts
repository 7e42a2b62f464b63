export * from './layout.ts';
export {
  authOf,
  compareKeys,
  isAuthExplicit,
  isDeny,
  packEntry,
  type PolicyCount,
  PolicyMap,
  PolicyStats,
  priorityOf,
  proxyPortOf,
  unpackEntry,
} from './map.ts';
export * from './verdict.ts';
