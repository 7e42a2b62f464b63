import fc from 'fast-check';
import type { ServiceSpec } from '../lb/service.ts';
import type { Tuple } from '../lb/tuple.ts';
import type { MaglevBackend } from '../maglev/backend.ts';
import { type Family, formatAddress, formatWords, type IpAddress } from '../net/address.ts';

/**
 * Arbitraries of what a load balancer deals with. They shrink towards what is easy to read: few backends, low addresses
 * (`10.0.0.0`, `fd00::`), port 80, equal weights, TCP.
 */

const word = (): fc.Arbitrary<number> => fc.nat(0xffffffff);

/** Any address of a family; IPv6 ones may be IPv4-mapped or have long runs of zeros, which their texts show. */
export function address(family: Family): fc.Arbitrary<IpAddress> {
  if (family === 4) return word().map((value) => ({ family, words: [value] }));
  const sparse = fc.oneof(fc.constant(0), fc.nat(0xffff), fc.constant(0xffff), word());
  return fc.tuple(sparse, sparse, sparse, sparse).map((words) => ({ family, words }));
}

/** The canonical text of any address of a family. */
export const addressText = (family: Family): fc.Arbitrary<string> => address(family).map(formatAddress);

export interface BackendsOptions {
  /** 1 unless given. */
  readonly min?: number;
  /** 20 unless given. */
  readonly max?: number;
  /** IPv4 unless given. */
  readonly family?: Family;
  /** Weights 0..65535; all 100 unless given. */
  readonly weights?: fc.Arbitrary<number>;
}

/** Text of host `host` (0..2^24-1) in 10.0.0.0/8 or fd00::/104. */
const hostText = (family: Family, host: number): string =>
  family === 4 ? formatWords(4, [0x0a000000 + host]) : formatWords(6, [0xfd000000, 0, 0, host]);

/** Backends of one service: different addresses in one network, one port, ids from 1. */
export function backends(options: BackendsOptions = {}): fc.Arbitrary<MaglevBackend[]> {
  const { min = 1, max = 20, family = 4, weights = fc.constant(100) } = options;
  return fc
    .tuple(
      fc.uniqueArray(fc.tuple(fc.nat(0xffffff), weights), {
        minLength: min,
        maxLength: max,
        selector: ([host]) => host,
      }),
      fc.constantFrom(80, 443, 8080, 53),
      fc.constantFrom('TCP', 'UDP', 'SCTP'),
    )
    .map(([hosts, port, protocol]) =>
      hosts.map(([host, weight], i) => ({ id: i + 1, address: hostText(family, host), port, protocol, weight })),
    );
}

/** Backends with weights that count: between `low` and `high` (10..500 unless given). */
export const weightedBackends = (
  options: BackendsOptions & { readonly low?: number; readonly high?: number } = {},
): fc.Arbitrary<MaglevBackend[]> =>
  backends({ weights: fc.integer({ min: options.low ?? 10, max: options.high ?? 500 }), ...options });

/** A flow to 203.0.113.10 or 2001:db8::10: any client address, ports, TCP or UDP. */
export function tuple(family: Family = 4): fc.Arbitrary<Required<Tuple>> {
  return fc
    .record({
      saddr: addressText(family),
      sport: fc.integer({ min: 1024, max: 65535 }),
      dport: fc.constantFrom(80, 443, 53),
      protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    })
    .map((flow) => ({ ...flow, daddr: family === 4 ? '203.0.113.10' : '2001:db8::10' }));
}

/** States of a set of backends that changes: each a set of active ones, none of them empty; ids stay with their addresses. */
export interface ChurnSequence {
  readonly backends: readonly MaglevBackend[];
  readonly states: readonly (readonly MaglevBackend[])[];
}

/** Sets of backends over time: any subset may come and go at each of up to `steps` (8) steps. */
export function churnSequence(
  options: BackendsOptions & { readonly steps?: number } = {},
): fc.Arbitrary<ChurnSequence> {
  const { steps = 8 } = options;
  return backends({ min: 2, ...options }).chain((all) =>
    fc
      .array(fc.subarray(all, { minLength: 1 }), { minLength: 1, maxLength: steps })
      .map((states) => ({ backends: all, states: [all, ...states] })),
  );
}

/** A service as `defineService` takes it: frontend, algorithm, affinity, backends of the frontend's family. */
export function service(family: Family = 4): fc.Arbitrary<ServiceSpec> {
  return fc
    .tuple(
      backends({ family }),
      fc.nat(255),
      fc.constantFrom('NodePort' as const, 'LoadBalancer' as const, 'ClusterIP' as const),
      fc.constantFrom('maglev' as const, 'random' as const),
      fc.boolean(),
    )
    .map(([list, host, type, algorithm, sessionAffinity]) => {
      const vip = family === 4 ? `203.0.113.${host}` : `[2001:db8::${host.toString(16)}]`;
      const [{ port, protocol }] = list as [MaglevBackend];
      return {
        frontend: `${vip}:${port}/${protocol}`,
        type,
        algorithm,
        sessionAffinity,
        backends: list.map(({ address: at, weight }) => ({
          address: at,
          port,
          ...(weight === undefined ? {} : { weight }),
        })),
      };
    });
}
