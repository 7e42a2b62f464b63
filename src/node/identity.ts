import type { Family } from '../net/address.ts';

/** Numeric security identities with a fixed meaning. Nodes for both families tell two worlds apart; others use `WORLD`. */
export const ReservedIdentity = {
  UNKNOWN: 0,
  HOST: 1,
  WORLD: 2,
  UNMANAGED: 3,
  HEALTH: 4,
  INIT: 5,
  REMOTE_NODE: 6,
  KUBE_APISERVER: 7,
  INGRESS: 8,
  WORLD_IPV4: 9,
  WORLD_IPV6: 10,
} as const;

/** Identity of addresses that nothing else is known about. */
export const worldIdentity = (family: Family, dualStack: boolean): number =>
  !dualStack ? ReservedIdentity.WORLD : family === 4 ? ReservedIdentity.WORLD_IPV4 : ReservedIdentity.WORLD_IPV6;

/** A node of the cluster other than this one, the API server's included; nodes can have identities of their own (0x02......). */
export const isRemoteNode = (identity: number): boolean =>
  identity === ReservedIdentity.REMOTE_NODE || identity === ReservedIdentity.KUBE_APISERVER || identity >>> 24 === 0x02;

/** Identities that say nothing of their own about an address: the ipcache may know better. */
export const isReservedIdentity = (identity: number): boolean =>
  identity < ReservedIdentity.UNMANAGED ||
  identity === ReservedIdentity.WORLD_IPV4 ||
  identity === ReservedIdentity.WORLD_IPV6 ||
  isRemoteNode(identity);
