import { formatAddress, formatWords, type IpAddress } from '../net/address.ts';
import { dropReasonName } from '../net/drop-reason.ts';
import { FibResult, type LocalEndpoint } from '../node/tables.ts';
import { Act, type HookContext, RedirectKind } from './context.ts';

/** What a hook answers to the kernel. */
export type Action =
  'XDP_PASS' | 'XDP_DROP' | 'XDP_TX' | 'XDP_REDIRECT' | 'TC_ACT_OK' | 'TC_ACT_SHOT' | 'TC_ACT_REDIRECT';

export interface DropVerdict {
  /** Cilium's number. */
  readonly code: number;
  /** Cilium's name. */
  readonly name: string;
  readonly direction: 'ingress' | 'egress';
  /** The detail that goes with the reason: a negative errno, or the route lookup's answer. */
  readonly extError?: number;
  /** Only counted: an ICMP answer is sent instead. */
  readonly packetStillSent?: true;
}

export interface RouteLookup {
  readonly source: string;
  readonly destination: string;
  /** Lower case with underscores: `success`, `no_neigh`, `unreachable`, ... */
  readonly result: string;
  readonly ifindex: number;
}

export interface TunnelMetadata {
  readonly vni: number;
  readonly remote: string;
  /** Geneve options, empty without any. */
  readonly options: Uint8Array;
}

/** What became of a packet at a hook. A value: nothing in it changes later. */
export interface Verdict {
  readonly action: Action;
  readonly drop?: DropVerdict;
  /** The frame that goes on or out; absent if it was dropped. */
  readonly frame?: Uint8Array;
  /** The interface it leaves by, and whether the kernel still has to find the neighbour. */
  readonly redirect?: { readonly kind: 'redirect' | 'redirect_neigh'; readonly ifindex: number };
  /** The local endpoint whose policy program decides next. */
  readonly delivered?: LocalEndpoint;
  /** The packet's mark. */
  readonly mark: number;
  /** XDP only, with XDP_PASS: what the tc program is told; `Transfer` bits. */
  readonly transfer?: number;
  /** Tunnel metadata for the tunnel device. */
  readonly tunnel?: TunnelMetadata;
  /** The last route lookup. */
  readonly route?: RouteLookup;
}

const FIB_NAMES: Readonly<Record<number, string>> = {
  [FibResult.SUCCESS]: 'success',
  [FibResult.BLACKHOLE]: 'blackhole',
  [FibResult.UNREACHABLE]: 'unreachable',
  [FibResult.PROHIBIT]: 'prohibit',
  [FibResult.NOT_FORWARDED]: 'not_forwarded',
  [FibResult.FORWARDING_DISABLED]: 'fwd_disabled',
  [FibResult.UNSUPPORTED_ENCAPSULATION]: 'unsupp_lwt',
  [FibResult.NO_NEIGHBOUR]: 'no_neigh',
  [FibResult.FRAGMENTATION_NEEDED]: 'frag_needed',
  [FibResult.NO_SOURCE]: 'no_src_addr',
};

export const fibResultName = (result: number): string => FIB_NAMES[result] ?? String(result);

/** The number of a route lookup's answer by its name, or -1. */
export function parseFibResult(name: string): FibResult | -1 {
  for (const [code, known] of Object.entries(FIB_NAMES)) if (known === name) return Number(code) as FibResult;
  return -1;
}

/** The action for what a program answered (`Act`, or a negative drop reason). */
export function actionOf(ctx: HookContext, act: number): Action {
  if (act < 0) return ctx.xdp ? 'XDP_DROP' : 'TC_ACT_SHOT';
  if (act === Act.OK) return ctx.xdp ? 'XDP_PASS' : 'TC_ACT_OK';
  if (!ctx.xdp) return 'TC_ACT_REDIRECT';
  return act === Act.TRANSMIT || ctx.redirectIfindex === ctx.ifindex ? 'XDP_TX' : 'XDP_REDIRECT';
}

/** The verdict as a value. */
export function verdictOf(ctx: HookContext, act: number): Verdict {
  const reason = act < 0 ? -act : ctx.answeredReason;
  const { delivered } = ctx;
  return {
    action: actionOf(ctx, act),
    mark: ctx.mark,
    ...(reason === 0 ? {} : { drop: dropOf(ctx, reason, act >= 0) }),
    ...(act < 0 ? {} : { frame: ctx.packet.copy() }),
    ...(ctx.redirectKind === RedirectKind.NONE || act < 0
      ? {}
      : {
          redirect: {
            kind: ctx.redirectKind === RedirectKind.REDIRECT ? ('redirect' as const) : ('redirect_neigh' as const),
            ifindex: ctx.redirectIfindex,
          },
        }),
    ...(delivered === undefined ? {} : { delivered }),
    ...(ctx.xdp && act === Act.OK && ctx.transfer !== 0 ? { transfer: ctx.transfer } : {}),
    ...(ctx.tunnelVni < 0 || act < 0 ? {} : { tunnel: tunnelOf(ctx) }),
    ...(ctx.fibLookups === 0 ? {} : { route: routeOf(ctx) }),
  };
}

function dropOf(ctx: HookContext, code: number, stillSent: boolean): DropVerdict {
  return {
    code,
    name: dropReasonName(code),
    direction: ctx.dropDirection === 2 ? 'egress' : 'ingress',
    ...(ctx.extError === 0 ? {} : { extError: ctx.extError }),
    ...(stillSent ? { packetStillSent: true as const } : {}),
  };
}

function tunnelOf(ctx: HookContext): TunnelMetadata {
  const remote: IpAddress = { family: 4, words: [ctx.tunnelRemote] };
  return {
    vni: ctx.tunnelVni,
    remote: formatAddress(remote),
    options: ctx.tunnelOut.slice(0, ctx.tunnelOutBytes),
  };
}

const routeOf = (ctx: HookContext): RouteLookup => ({
  source: formatWords(ctx.fibFamily, ctx.fibSource),
  destination: formatWords(ctx.fibFamily, ctx.fibDestination),
  result: fibResultName(ctx.fibResult),
  ifindex: ctx.fibIfindex,
});
