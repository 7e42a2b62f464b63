import { Direction, type DirectionName, POLICY_MAP_SIZE, type PolicyEntry, type PolicyKey } from './layout.ts';
import { PolicyMap } from './map.ts';
import type { MapState } from './map-state.ts';
import {
  forEachMapEntry,
  type PolicySubject,
  type Redirect,
  type ResolvedDirection,
  type ResolvedPolicy,
} from './resolve.ts';
import {
  checkPolicy,
  type PolicyDatapathConfig,
  type PolicyPacket,
  type PolicyResult,
  policyResult,
} from './verdict.ts';

/** The resolved policy of an endpoint: its rules, its map and its verdicts. Made by `PolicyEngine.policyOf`. */
export class EndpointPolicy {
  readonly subject: PolicySubject;
  readonly resolved: ResolvedPolicy;
  readonly #maxEntries: number;
  #maps: readonly PolicyMap[] | undefined;
  #missing = 0;

  constructor(subject: PolicySubject, resolved: ResolvedPolicy, maxEntries: number = POLICY_MAP_SIZE) {
    this.subject = subject;
    this.resolved = resolved;
    this.#maxEntries = maxEntries;
  }

  get ingressEnforced(): boolean {
    return this.resolved.ingress.enforced;
  }

  get egressEnforced(): boolean {
    return this.resolved.egress.enforced;
  }

  direction(name: DirectionName): ResolvedDirection {
    return this.resolved[name];
  }

  /** Redirects to proxies, sorted by direction (ingress first), protocol, port. */
  get redirects(): Redirect[] {
    return [...this.resolved.ingress.redirects, ...this.resolved.egress.redirects];
  }

  /** Directions in which the agent's result depends on the order in which it takes the filters. */
  get orderDependent(): DirectionName[] {
    return (['ingress', 'egress'] as const).filter((name) => this.resolved[name].states.length > 1);
  }

  /** The policy map. Where the agent's result depends on order, the first of `maps`. */
  get map(): PolicyMap {
    return this.maps[0]!;
  }

  /** Every policy map that the agent may come to: one, unless `orderDependent` names a direction. */
  get maps(): readonly PolicyMap[] {
    return (this.#maps ??= this.#build());
  }

  /** Entries that found no room in a full map. */
  get missing(): number {
    return this.maps.length > 0 ? this.#missing : 0;
  }

  /** The map's entries, sorted by direction (ingress first), identity, protocol, port, prefix. */
  entries(): { key: PolicyKey; entry: PolicyEntry }[] {
    return this.map.entries();
  }

  /**
   * The hot path: asks the map for one packet, writes `result`, returns its code (0 or a negative drop code). Undefined where
   * the agent's possible maps give different answers.
   */
  check(packet: PolicyPacket, config: PolicyDatapathConfig, result: PolicyResult): number | undefined {
    const { maps } = this;
    const code = checkPolicy(maps[0]!, packet, config, result);
    for (let i = 1; i < maps.length; i++) {
      checkPolicy(maps[i]!, packet, config, other);
      if (other.code !== code || other.proxyPort !== result.proxyPort || other.authType !== result.authType)
        return undefined;
    }
    return code;
  }

  #build(): PolicyMap[] {
    const { ingress, egress } = this.resolved;
    const count = Math.max(ingress.states.length, egress.states.length);
    return Array.from({ length: count }, (_, index) => {
      const at = ({ states }: ResolvedDirection): MapState => states[Math.min(index, states.length - 1)]!;
      const map = new PolicyMap(this.#maxEntries, at(ingress).size + at(egress).size);
      let missing = 0;
      for (const direction of [ingress, egress]) {
        // Entries that lose their prefix may fall on the key of another one, which then comes last.
        for (const cut of [true, false]) {
          forEachMapEntry(direction, at(direction), cut, (identity, l4, value) => {
            if (!map.write(identity, l4, value)) missing++;
          });
        }
      }
      if (index === 0) this.#missing = missing;
      return map;
    });
  }
}

const other = policyResult();

export const directionNumber = (name: DirectionName): Direction =>
  name === 'egress' ? Direction.EGRESS : Direction.INGRESS;
