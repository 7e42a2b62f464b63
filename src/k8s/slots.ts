import { BackendState } from '../lb/layout.ts';
import { compareAddresses } from '../net/address.ts';
import type { Instance } from './model.ts';

/** A backend in the slots of a frontend. */
export interface SlotBackend {
  readonly instance: Instance;
  /** Unhealthy for this frontend, be it only by what an earlier agent left behind. */
  readonly unhealthy: boolean;
}

export interface Slots {
  /** In slot order: the first `count` are selectable. */
  readonly backends: readonly SlotBackend[];
  readonly count: number;
  readonly qcount: number;
}

const NONE: Slots = { backends: [], count: 0, qcount: 0 };

/** Healthy first, then by state, address and port. */
function slotOrder(a: SlotBackend, b: SlotBackend): number {
  if (a.unhealthy !== b.unhealthy) return a.unhealthy ? 1 : -1;
  const left = a.instance;
  const right = b.instance;
  return (
    left.state - right.state ||
    compareAddresses(left.backend.address, right.backend.address) ||
    left.backend.port - right.backend.port
  );
}

/** Profile 1.17: what is preferred, what is active, the rest; each by id. */
export function arrangeSlotsById(
  instances: readonly Instance[],
  isQuarantined: ((instance: Instance) => boolean) | undefined,
  isPreferred: (instance: Instance) => boolean,
): Slots {
  const plain = arrangeSlots(instances, isQuarantined);
  const fallback = plain.backends.every((one) => rankOf(one) !== BackendState.ACTIVE);
  const selectable = fallback ? BackendState.TERMINATING : BackendState.ACTIVE;
  const isSelectable = (one: SlotBackend): boolean => rankOf(one) === selectable;
  const preferred = plain.backends.filter((one) => isSelectable(one) && isPreferred(one.instance));
  const others = plain.backends.filter((one) => isSelectable(one) && !isPreferred(one.instance));
  const rest = plain.backends.filter((one) => !isSelectable(one));
  const byId = (a: SlotBackend, b: SlotBackend): number => a.instance.backend.id - b.instance.backend.id;
  return {
    backends: [...preferred.sort(byId), ...others.sort(byId), ...rest.sort(byId)],
    count: preferred.length > 0 ? preferred.length : others.length,
    qcount: rest.length,
  };
}

/** Its state, unless it is out for being unhealthy. */
const rankOf = ({ instance, unhealthy }: SlotBackend): number =>
  unhealthy ? BackendState.QUARANTINED : instance.state;

/** Orders the backends of a frontend and counts them (docs/control-plane.md, "Slots and counts"). */
export function arrangeSlots(
  instances: readonly Instance[],
  isQuarantined: ((instance: Instance) => boolean) | undefined,
): Slots {
  if (instances.length === 0) return NONE;
  const backends = instances.map((instance) => ({
    instance,
    unhealthy: instance.unhealthy || (isQuarantined !== undefined && isQuarantined(instance)),
  }));
  if (backends.length > 1) backends.sort(slotOrder);
  let active = 0;
  let terminating = 0;
  let inactive = 0;
  for (const { instance, unhealthy } of backends) {
    if (unhealthy || instance.state > BackendState.TERMINATING) inactive++;
    else if (instance.state === BackendState.ACTIVE) active++;
    else terminating++;
  }
  return active === 0
    ? { backends, count: terminating, qcount: inactive }
    : { backends, count: active, qcount: inactive + terminating };
}
