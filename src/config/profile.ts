import { LbtwinError } from '../errors.ts';

/** The line of Cilium releases whose defaults and rules apply. */
export type Profile = '1.17' | '1.18';

export const PROFILES: readonly Profile[] = ['1.17', '1.18'];

/** Everything was measured on this one. */
export const DEFAULT_PROFILE: Profile = '1.18';

/** Reads `1.17`, `v1.17.3`, `1.18.0-dev` … @throws LbtwinError `unknown-profile` */
export function parseProfile(text: string): Profile {
  const match = /^v?(\d+\.\d+)(?:\.\d+(?:[-+].*)?)?$/.exec(text.trim());
  const profile = PROFILES.find((known) => known === match?.[1]);
  if (profile === undefined) {
    throw new LbtwinError('unknown-profile', `there is no profile ${JSON.stringify(text)}`, {
      allowed: PROFILES.join(', '),
    });
  }
  return profile;
}

/** A value that may differ between the profiles. */
export type PerProfile<T> = Readonly<Record<Profile, T>>;

/** The same value for every profile. */
export const both = <T>(value: T): PerProfile<T> => ({ '1.17': value, '1.18': value });
