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
