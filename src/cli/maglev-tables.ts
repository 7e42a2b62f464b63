import { LbtwinError } from '../errors.ts';
import { formatL4Address } from '../net/endpoint.ts';
import { lbMaglev } from '../report/agent/lb-maps.ts';
import { formatMaglevView, viewMaglev } from '../report/maglev-view.ts';
import { indented } from '../report/table.ts';
import { didYouMean, nearest } from '../text/nearest.ts';
import { wantsJson, writeJson, writeListing } from './agent-output.ts';
import type { Args, OptionSpecs } from './args.ts';
import type { Io } from './io.ts';
import type { NodePlane } from './plane.ts';

export const compactOption: OptionSpecs = {
  compact: { type: 'boolean', help: 'in short: the share of each backend and the lengths of runs' },
};

/** The service ids that `what` means: an id, a service `NS/NAME`, or a frontend's address. */
export function idsOf({ plane }: NodePlane, what: string): number[] {
  if (/^\d+$/.test(what)) return [Number(what)];
  const masters = [plane.maps.v4, plane.maps.v6].flatMap(({ services }) =>
    [...services.entries()].filter(([key]) => key.slot === 0),
  );
  const byAddress = masters.filter(([key]) => {
    const text = formatL4Address(key);
    return text === what || text.slice(0, text.lastIndexOf('/')) === what;
  });
  if (byAddress.length > 0) return byAddress.map(([, { revNatIndex }]) => revNatIndex);
  const frontends = plane.frontendsOf(what);
  if (frontends.length > 0) {
    const ids = new Set(frontends.map(({ key }) => plane.serviceId(key)));
    // The entries of a NodePort on the node's addresses belong to the service as well.
    for (const [key, { revNatIndex }] of masters) {
      if (
        frontends.some(
          ({ type, port, protocol }) => type === 'NodePort' && port === key.port && protocol === key.protocol,
        )
      ) {
        ids.add(revNatIndex);
      }
    }
    return [...ids].sort((a, b) => a - b);
  }
  const known = [...plane.services.map(({ name }) => name), ...plane.frontends.map(({ key }) => key)];
  const near = nearest(what, known);
  throw new LbtwinError(
    'unknown-service',
    `${JSON.stringify(what)} is no service here${didYouMean(near)}`,
    near.length > 0 ? {} : { allowed: 'an id, NS/NAME or a frontend address' },
  );
}

/** Prints the tables of these ids (of all, without); false if there are none. */
export function writeMaglev(node: NodePlane, ids: readonly number[] | undefined, args: Args, io: Io): boolean {
  const { plane, inventory } = node;
  const listing = lbMaglev(plane.maps, ids);
  if (listing.rows.length === 0) return false;
  if (!args.flag('compact')) {
    writeListing(listing, args, io);
    return true;
  }
  const views: Record<string, unknown> = {};
  for (const { family, maglev, backends, reverseNat } of [plane.maps.v4, plane.maps.v6]) {
    for (const [id, table] of [...maglev.entries()].sort(([a], [b]) => a - b)) {
      if (ids !== undefined && !ids.includes(id)) continue;
      const view = viewMaglev(table);
      const frontend = reverseNat.get(id);
      const title =
        frontend === undefined ? '' : `  ${formatL4Address({ ...frontend, protocol: protocolOf(plane, id) })}`;
      const name = (backendId: number): string => {
        const backend = backends.get(backendId);
        if (backend === undefined) return `backend ${backendId} not found`;
        const pod = inventory.podOf(backend.address)?.name;
        return `${formatL4Address(backend)}${pod === undefined ? '' : `  ${pod}`}`;
      };
      if (wantsJson(args)) views[`[${id}]/v${family}`] = view;
      else io.write(`[${id}]/v${family}${title}\n${indented(formatMaglevView(view, name))}`);
    }
  }
  if (wantsJson(args)) writeJson(views, io);
  return true;
}

function protocolOf(plane: NodePlane['plane'], id: number): number {
  for (const { services } of [plane.maps.v4, plane.maps.v6]) {
    for (const [key, value] of services.entries()) if (value.revNatIndex === id) return key.protocol;
  }
  return 0;
}
