import type { Option } from './option.ts';
import { DATAPATH } from './table/datapath.ts';
import { INSTALL } from './table/install.ts';
import { NETWORK } from './table/network.ts';
import { SERVICES } from './table/services.ts';

/** Every option that the twin knows, in the order of the documentation. */
export const OPTIONS: readonly Option[] = [...SERVICES, ...DATAPATH, ...NETWORK, ...INSTALL];

/** The option that writes a ConfigMap key. */
export const OPTION_OF_KEY: ReadonlyMap<string, Option> = new Map(
  OPTIONS.flatMap((option) => (option.key === undefined ? [] : [[option.key, option] as const])),
);

/** The option of a Helm value. */
export const OPTION_OF_HELM: ReadonlyMap<string, Option> = new Map(
  OPTIONS.flatMap((option) => (option.helm === undefined ? [] : [[option.helm, option] as const])),
);
