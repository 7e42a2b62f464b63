import { LbtwinError } from '../../errors.ts';
import { checkTableSize, DEFAULT_TABLE_SIZE, TABLE_SIZES } from '../sizes.ts';
import { buildLookupTable } from '../table.ts';
import { envoy } from './envoy.ts';
import { ipvs } from './ipvs.ts';
import { katranV1, katranV2 } from './katran.ts';
import { paper } from './paper.ts';
import type { MaglevVariant } from './variant.ts';

export { ENVOY_TABLE_SIZE, type EnvoyHost, type EnvoyOptions, envoy, envoySelect, envoyTable } from './envoy.ts';
export { IPVS_TABLE_SIZE, ipvs, type IpvsDestination, type IpvsLookup, ipvsSelect, ipvsTable } from './ipvs.ts';
export {
  KATRAN_RING_SIZE,
  type KatranEndpoint,
  katranHash,
  katranPermutation,
  katranRing,
  katranV1,
  katranV2,
} from './katran.ts';
export { paper, PAPER_TABLE_SIZE } from './paper.ts';
export { isPrime, type MaglevVariant, NO_BACKEND } from './variant.ts';

/** Cilium's own table, as `buildLookupTable` makes it. */
export const cilium: MaglevVariant = {
  name: 'cilium',
  title: "Cilium's Maglev",
  fidelity: 'exact',
  defaultTableSize: DEFAULT_TABLE_SIZE,
  tableSizes: TABLE_SIZES.join(', '),
  checkTableSize,
  build: buildLookupTable,
};

/** Every variant by its name. */
export const VARIANTS: Readonly<Record<string, MaglevVariant>> = Object.fromEntries(
  [cilium, katranV1, katranV2, envoy, ipvs, paper].map((variant) => [variant.name, variant]),
);

/** @throws LbtwinError `unknown-variant` */
export function parseVariant(name: string): MaglevVariant {
  const variant = Object.hasOwn(VARIANTS, name) ? VARIANTS[name] : undefined;
  if (variant !== undefined) return variant;
  throw new LbtwinError('unknown-variant', `${JSON.stringify(name)} is not a Maglev variant`, {
    allowed: Object.keys(VARIANTS).join(', '),
  });
}
