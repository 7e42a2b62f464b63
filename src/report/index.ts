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
export { frontendsOfListing, type LiveFrontend, readLbList } from './agent/read-lb-list.ts';
export { readNatList } from './agent/read-nat-list.ts';
export { type LbUsage, lbUsage, type MapUsage, type ServiceCost } from './lb-usage.ts';
export { type FrontendDrift, type LbDrift, lbDrift } from './lb-drift.ts';
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
export { type ByFamily, loadCtList, loadNatList } from './agent/ct-nat-parse.ts';
export { formatJourney, journeyJson, journeyMermaid, type JourneyTextOptions } from './journey.ts';
export { journeyCapture } from './journey-capture.ts';
export { formatSpread, type SpreadAnswer, spreadJson } from './spread.ts';
