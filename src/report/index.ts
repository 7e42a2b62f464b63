export { ctList, formatCtEntry, formatNatEntry, natList } from './agent/ct-nat-list.ts';
export {
  type AgentListing,
  formatListing,
  lbBackends,
  lbFrontends,
  lbList,
  lbMaglev,
  lbReverseNat,
  lbSourceRanges,
  listingJson,
} from './agent/lb-maps.ts';
export { alignColumns } from './agent/tabwriter.ts';
export { listServices } from './agent/listed-services.ts';
export {
  formatServiceList,
  type ListedBackend,
  type ListedService,
  readServiceIds,
  serviceListJson,
} from './agent/service-list.ts';
export {
  type KubeProxyReplacementStatus,
  statusDetails,
  type StatusDevice,
  statusJson,
  statusLine,
} from './agent/status.ts';
export { formatMaglevView, type MaglevView, viewMaglev } from './maglev-view.ts';
export { flowAnswerJson, formatFlowAnswer, isReached } from './select.ts';
