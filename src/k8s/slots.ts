import { BackendState } from '../lb/layout.ts';
import { compareAddresses } from '../net/address.ts';
import { isSorted } from './instance-order.ts';
import type { Instance } from './model.ts';

export interface Slots {
  /** In slot order: the first `count` are selectable. */
  readonly backends: readonly Instance[];
  readonly count: number;
  readonly qcount: number;
}

/** Whether an earlier agent has taken a backend out of this frontend; `undefined` if none. */
export type Quarantine = ((instance: Instance) => boolean) | undefined;

const NONE: Slots = { backends: [], count: 0, qcount: 0 };

/** By state, address and port. */
function slotOrder(a: Instance, b: Instance): number {
  return a.state - b.state || compareAddresses(a.backend.address, b.backend.address) || a.backend.port - b.backend.port;
}

const isOut = (instance: Instance, isQuarantined: Quarantine): boolean =>
  instance.unhealthy || (isQuarantined !== undefined && isQuarantined(instance));

/** Profile 1.17: what is preferred, what is active, the rest; each by id. */
export function arrangeSlotsById(
  instances: readonly Instance[],
  isQuarantined: Quarantine,
  isPreferred: (instance: Instance) => boolean,
): Slots {
  /** Its state, unless it is out for being unhealthy. */
  const rankOf = (one: Instance): number => (isOut(one, isQuarantined) ? BackendState.QUARANTINED : one.state);
  const { backends } = arrangeSlots(instances, isQuarantined);
  const fallback = backends.every((one) => rankOf(one) !== BackendState.ACTIVE);
  const selectable = fallback ? BackendState.TERMINATING : BackendState.ACTIVE;
  const isSelectable = (one: Instance): boolean => rankOf(one) === selectable;
  const preferred = backends.filter((one) => isSelectable(one) && isPreferred(one));
  const others = backends.filter((one) => isSelectable(one) && !isPreferred(one));
  const rest = backends.filter((one) => !isSelectable(one));
  const byId = (a: Instance, b: Instance): number => a.backend.id - b.backend.id;
  return {
    backends: [...preferred.sort(byId), ...others.sort(byId), ...rest.sort(byId)],
    count: preferred.length > 0 ? preferred.length : others.length,
    qcount: rest.length,
  };
}

/** Orders the backends of a frontend, the healthy ones first, and counts them (docs/control-plane.md, "Slots and counts"). */
export function arrangeSlots(instances: readonly Instance[], isQuarantined: Quarantine): Slots {
  if (instances.length === 0) return NONE;
  let active = 0;
  let terminating = 0;
  let out = 0;
  for (const instance of instances) {
    if (isOut(instance, isQuarantined)) out++;
    else if (instance.state === BackendState.ACTIVE) active++;
    else if (instance.state === BackendState.TERMINATING) terminating++;
  }
  const order =
    out === 0
      ? slotOrder
      : (a: Instance, b: Instance): number =>
          Number(isOut(a, isQuarantined)) - Number(isOut(b, isQuarantined)) || slotOrder(a, b);
  const backends = isSorted(instances, order) ? instances : instances.toSorted(order);
  const count = active === 0 ? terminating : active;
  return { backends, count, qcount: instances.length - count };
}
