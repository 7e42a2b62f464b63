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
