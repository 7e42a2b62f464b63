import { ABSENT, type Option } from './option.ts';
import { type Profile, PROFILES } from './profile.ts';
import { DATAPATH } from './table/datapath.ts';
import { INSTALL } from './table/install.ts';
import { MAPS } from './table/maps.ts';
import { NETWORK } from './table/network.ts';
import { SERVICES } from './table/services.ts';
import { SOCKETS } from './table/sockets.ts';

/** Every option that the twin knows, in the order of the documentation. */
export const OPTIONS: readonly Option[] = [...SERVICES, ...SOCKETS, ...DATAPATH, ...MAPS, ...NETWORK, ...INSTALL];

/** The option that writes a ConfigMap key. */
export const OPTION_OF_KEY: ReadonlyMap<string, Option> = new Map(
  OPTIONS.flatMap((option) => (option.key === undefined ? [] : [[option.key, option] as const])),
);

/** The option of a Helm value. */
export const OPTION_OF_HELM: ReadonlyMap<string, Option> = new Map(
  OPTIONS.flatMap((option) => (option.helm === undefined ? [] : [[option.helm, option] as const])),
);

/** False for a value that the chart of another profile has and this one's has not: it would be ignored. */
export const isKnownTo = (option: Option, profile: Profile): boolean =>
  option.values[profile] !== ABSENT || PROFILES.every((other) => option.values[other] === ABSENT);
