import { Conntrack } from '../conntrack/conntrack.ts';
import { LbtwinError } from '../errors.ts';
import { LbMaps } from '../lb/maps.ts';
import type { RandomU32 } from '../lb/select.ts';
import type { Trace } from '../lb/trace.ts';
import { createNatTable, Nat } from '../nat/nat.ts';
import { type Family, formatAddress, type IpAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import type { TunnelProtocol } from '../net/tunnel.ts';
import { type Mac, ZERO_MAC } from '../node/mac.ts';
import { NodeTables } from '../node/tables.ts';
import { HookContext } from './context.ts';
import { type Hook, HOOKS, runHook } from './hooks.ts';
import { Metrics } from './metrics.ts';
import { NodeFamily } from './node-family.ts';
import type { PodInterface } from './pod-family.ts';
import { type DatapathInput, type DatapathOptions, resolveDatapathOptions } from './options.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** A node's own addresses. What is absent is not needed by the configuration, or zero. */
export interface NodeAddresses {
  /** Direct-routing addresses: the sources of SNAT, masquerading and tunnels. */
  readonly ipv4: IpAddress | undefined;
  readonly ipv6: IpAddress | undefined;
  /** Addresses of the cilium_host device: sources of SNAT through the overlay, and of ICMPv6 answers. */
  readonly routerIPv4: IpAddress | undefined;
  readonly routerIPv6: IpAddress | undefined;
  readonly podCidrs4: readonly Cidr[];
  readonly podCidrs6: readonly Cidr[];
  /** MAC address of the device. */
  readonly mac: Mac;
  /** Interface index of the device that faces the network. */
  readonly ifindex: number;
}

export interface NodeInput {
  readonly options?: DatapathInput;
  readonly addresses?: Partial<NodeAddresses>;
  /** Maps to share with others, such as the socket layer; made if absent. */
  readonly lb?: LbMaps;
  readonly tables?: NodeTables;
  readonly conntrack?: { readonly v4: Conntrack; readonly v6: Conntrack };
  readonly nat?: { readonly v4: Nat; readonly v6: Nat };
}

/** What comes with a packet. */
export interface ReceiveOptions {
  /** Seconds of the node's clock since its boot, with fractions or without; 0..2^32-1. */
  readonly now: number;
  /** Random words, u32; drawn only where the datapath draws one. Without it a draw is an error. */
  readonly random?: RandomU32;
  /** The packet's mark. */
  readonly mark?: number;
  /** `Transfer` bits that the XDP program left for the tc program. */
  readonly transfer?: number;
  /** The device, if not the node's own. */
  readonly ifindex?: number;
  /** Options of the tunnel that the packet came out of. */
  readonly tunnelOptions?: Uint8Array;
  /** The pod whose program runs; pods' hooks only, and needed there. */
  readonly pod?: PodInterface;
  /** Security identity of the source, for `podPolicy`; the world's if absent. */
  readonly sourceIdentity?: number;
  readonly trace?: Trace;
}

const NO_ADDRESSES: NodeAddresses = {
  ipv4: undefined,
  ipv6: undefined,
  routerIPv4: undefined,
  routerIPv6: undefined,
  podCidrs4: [],
  podCidrs6: [],
  mac: ZERO_MAC,
  ifindex: 1,
};

/**
 * A small node that stays. V8 forgets the shapes of objects of which none is alive, and takes code that has met four generations of shapes for code
 * that meets anything: for who makes nodes one after another a packet would take twice the time (docs/performance.md).
 */
const kept: (Node | undefined)[] = [];

function keepOne(): void {
  if (kept.length > 0) return;
  // Before it is made, since making it asks again.
  kept.push(undefined);
  kept[0] = new Node();
}

/**
 * A node's datapath: its maps and tables, and the programs at its network devices. Packets go in as frames and come out as
 * verdicts; everything else is in the maps.
 */
export class Node {
  readonly options: DatapathOptions;
  readonly addresses: NodeAddresses;
  readonly lb: LbMaps;
  readonly tables: NodeTables;
  readonly metrics: Metrics = new Metrics();
  readonly v4: NodeFamily;
  readonly v6: NodeFamily;
  /** Whether there is a tunnel device: an overlay, or DSR by Geneve. */
  readonly hasTunnel: boolean;
  /** The protocol of the node's tunnel: the overlay's, or Geneve where DSR goes by it. */
  readonly tunnelProtocol: TunnelProtocol;
  readonly #context = new HookContext();

  /** @throws LbtwinError `invalid-option`, `missing-address`, `family-mismatch`, `unknown-defect` */
  constructor(input: NodeInput = {}) {
    const options = resolveDatapathOptions(input.options);
    this.addresses = { ...NO_ADDRESSES, ...input.addresses };
    this.options =
      input.options?.directRoutingIfindex === undefined
        ? { ...options, directRoutingIfindex: this.addresses.ifindex }
        : options;
    const geneve = options.mode !== 'snat' && options.dsrDispatch === 'geneve';
    this.hasTunnel = options.tunnel !== undefined || geneve;
    checkAddresses(this.hasTunnel, this.addresses);
    this.lb = input.lb ?? new LbMaps();
    this.tables = input.tables ?? new NodeTables();
    this.tunnelProtocol = options.tunnel ?? (geneve ? 'geneve' : 'vxlan');
    this.v4 = this.#family(4, input);
    this.v6 = this.#family(6, input);
    keepOne();
  }

  /** Whether the programs look at packets of a family. */
  handles(family: Family): boolean {
    return family === 4 ? this.options.ipv4 : this.options.ipv6;
  }

  of(family: Family): NodeFamily {
    return family === 4 ? this.v4 : this.v6;
  }

  /**
   * Runs a frame (which starts with its Ethernet header) through a hook. Frames of any bytes have a verdict.
   * @throws LbtwinError `unknown-hook`, `invalid-frame`, `invalid-time`, with nothing done; `not-modelled` for services that
   *   the twin cannot decide and `random-required`, with what the packet had written until then
   */
  receive(hook: Hook, frame: Uint8Array, options: ReceiveOptions): Verdict {
    checkPacket(hook, frame, options);
    const ctx = this.#context;
    return verdictOf(ctx, this.process(hook, frame, options, ctx));
  }

  /**
   * The same without checking its arguments and without making a value of it: `Act` or a negative drop reason, the rest in the context, which is overwritten by the
   * next packet. For callers in a hurry.
   */
  process(hook: Hook, frame: Uint8Array, options: ReceiveOptions, ctx: HookContext = this.#context): number {
    ctx.packet.load(frame);
    return this.runLoaded(hook, options, ctx);
  }

  /** Runs the packet that is in the context already. */
  runLoaded(hook: Hook, options: ReceiveOptions, ctx: HookContext): number {
    this.prepare(options, ctx);
    return runHook(this, hook, ctx);
  }

  /** Gives the context what comes with a packet. */
  prepare(options: ReceiveOptions, ctx: HookContext): void {
    ctx.reset();
    ctx.now = Math.floor(options.now) >>> 0;
    ctx.nowNs = options.now * 1e9;
    ctx.random = options.random ?? noRandom;
    ctx.mark = options.mark ?? 0;
    ctx.pod = options.pod;
    ctx.sourceIdentity = options.sourceIdentity ?? this.v4.worldId;
    ctx.transfer = options.transfer ?? 0;
    ctx.ifindex = options.ifindex ?? this.addresses.ifindex;
    if (options.tunnelOptions !== undefined) ctx.tunnelOptions = options.tunnelOptions;
    ctx.trace = options.trace;
  }

  #family(family: Family, input: NodeInput): NodeFamily {
    const given = family === 4 ? input.conntrack?.v4 : input.conntrack?.v6;
    const { ctRstClosesBoth } = this.options.defects;
    const conntrack = given ?? new Conntrack(family, { ctRstClosesBoth, ...this.options.conntrack });
    const nat = (family === 4 ? input.nat?.v4 : input.nat?.v6) ?? makeNat(conntrack, this.options);
    return new NodeFamily(this, family, conntrack, nat);
  }
}

const makeNat = (conntrack: Conntrack, options: DatapathOptions): Nat =>
  new Nat(conntrack, createNatTable(conntrack.family, options.natMaxEntries));

function noRandom(): number {
  throw new LbtwinError('random-required', 'the datapath draws a random word here', {
    path: ['random'],
    allowed: 'a function that returns a u32',
  });
}

const LAST_SECOND = 0xffff_ffff;

function checkPacket(hook: Hook, frame: Uint8Array, { now }: ReceiveOptions): void {
  if (!HOOKS.includes(hook)) {
    throw new LbtwinError('unknown-hook', `${JSON.stringify(hook)} is no hook`, {
      path: ['hook'],
      allowed: HOOKS.join(', '),
    });
  }
  if (!(frame instanceof Uint8Array)) {
    throw new LbtwinError('invalid-frame', 'a frame is bytes', { path: ['frame'], allowed: 'a Uint8Array' });
  }
  if (typeof now !== 'number' || !(now >= 0) || now >= LAST_SECOND + 1) {
    throw new LbtwinError('invalid-time', `${String(now)} is no time of the clock`, {
      path: ['now'],
      allowed: `seconds, 0..${LAST_SECOND}`,
    });
  }
}

function checkAddresses(hasTunnel: boolean, addresses: NodeAddresses): void {
  for (const [name, family] of FAMILIES) {
    const address = addresses[name];
    if (address === undefined || address.family === family) continue;
    throw new LbtwinError('family-mismatch', `${formatAddress(address)} is not an IPv${family} address`, {
      path: ['addresses', name],
      allowed: `an IPv${family} address`,
    });
  }
  if (hasTunnel && addresses.ipv4 === undefined) {
    throw new LbtwinError('missing-address', 'tunnels have no source address', {
      path: ['addresses', 'ipv4'],
      allowed: 'the IPv4 address of the tunnel endpoint',
    });
  }
}

const FAMILIES = [
  ['ipv4', 4],
  ['ipv6', 6],
  ['routerIPv4', 4],
  ['routerIPv6', 6],
] as const;
