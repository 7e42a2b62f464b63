import type { Family } from '../net/address.ts';
import { AffinityMap, AffinityMatchMap } from './affinity-map.ts';
import { BackendMap, ReverseNatMap } from './backend-map.ts';
import { MaglevMap } from './maglev-map.ts';
import { ServiceMap } from './service-map.ts';
import { SkipLbMap } from './skip-lb-map.ts';
import { SourceRangeMap } from './source-range-map.ts';

/** Sizes of the load-balancing maps, in entries per family. */
export interface LbMapSizes {
  /** `bpf-lb-service-map-max`. */
  readonly services: number;
  /** `bpf-lb-service-backend-map-max`. */
  readonly backends: number;
  /** `bpf-lb-rev-nat-map-max`. */
  readonly reverseNat: number;
  /** `bpf-lb-affinity-map-max`; also of the affinity match map, which both families share. */
  readonly affinity: number;
  /** `bpf-lb-source-range-map-max`. */
  readonly sourceRanges: number;
  /** `bpf-lb-maglev-map-max`. */
  readonly maglev: number;
  readonly skipLb: number;
}

/** `bpf-lb-map-max`. */
export const DEFAULT_LB_MAP_MAX = 65536;

/** Local redirect's skip map is small, and no option changes that. */
const SKIP_LB_MAX = 100;

/** The load-balancing maps of one family. */
export interface LbFamilyMaps {
  readonly family: Family;
  readonly services: ServiceMap;
  readonly backends: BackendMap;
  readonly reverseNat: ReverseNatMap;
  readonly affinity: AffinityMap;
  readonly sourceRanges: SourceRangeMap;
  readonly maglev: MaglevMap;
  readonly skipLb: SkipLbMap;
}

/**
 * The load-balancing maps of a node: what the control plane writes, the datapath reads, and dumps list. Memory is taken as
 * entries come. Values are stored as given: consistency between maps is the control plane's affair, as in the kernel.
 */
export class LbMaps {
  readonly sizes: LbMapSizes;
  readonly v4: LbFamilyMaps;
  readonly v6: LbFamilyMaps;
  /** Pairs of revNatIndex and backend id; one map for both families, as backend ids are unique among both. */
  readonly affinityMatch: AffinityMatchMap;

  /**
   * `max` is `bpf-lb-map-max`, the size of every map that `sizes` does not name; without `sourceRangeCheck` (`enable-svc-source-range-check`)
   * nobody asks the source ranges.
   * @throws LbtwinError `invalid-table-size`
   */
  constructor(max: number = DEFAULT_LB_MAP_MAX, sizes: Partial<LbMapSizes> = {}, sourceRangeCheck = true) {
    this.sizes = {
      services: max,
      backends: max,
      reverseNat: max,
      affinity: max,
      sourceRanges: max,
      maglev: max,
      skipLb: SKIP_LB_MAX,
      ...sizes,
    };
    this.v4 = familyMaps(4, this.sizes, sourceRangeCheck);
    this.v6 = familyMaps(6, this.sizes, sourceRangeCheck);
    this.affinityMatch = new AffinityMatchMap(this.sizes.affinity);
  }

  of(family: Family): LbFamilyMaps {
    return family === 4 ? this.v4 : this.v6;
  }
}

function familyMaps(family: Family, sizes: LbMapSizes, sourceRangeCheck: boolean): LbFamilyMaps {
  return {
    family,
    services: new ServiceMap(family, sizes.services),
    backends: new BackendMap(family, sizes.backends),
    reverseNat: new ReverseNatMap(family, sizes.reverseNat),
    affinity: new AffinityMap(family, sizes.affinity),
    sourceRanges: new SourceRangeMap(family, sizes.sourceRanges, sourceRangeCheck),
    maglev: new MaglevMap(sizes.maglev),
    skipLb: new SkipLbMap(family, sizes.skipLb),
  };
}
