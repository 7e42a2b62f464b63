import { type Cidr, type IpAddress, maskCidr } from '../net/index.ts';
import { label, type Label, LabelSource } from './labels.ts';
import type { PolicyRule } from './rule.ts';

/** What the DNS proxy has seen: addresses by name. */
export type DnsView = ReadonlyMap<string, readonly IpAddress[]>;

/** The selectors of all `toFQDNs` rules, each once. */
export function fqdnSelectors(rules: readonly PolicyRule[]): string[] {
  const found = new Set<string>();
  for (const section of rules.flatMap(({ egress }) => egress)) {
    for (const { kind, selector } of section.peers) if (kind === 'fqdns') found.add(selector.requirements[0]!.key);
  }
  return [...found];
}

/** Whether a `matchName` or `matchPattern` stands for a DNS name; case and a final dot do not count. */
export function matchesFqdn(selector: string, name: string): boolean {
  const plain = (text: string): string => text.toLowerCase().replace(/\.$/, '');
  if (selector === '*') return true;
  const pattern = plain(selector).replaceAll('.', '\\.').replaceAll('*', '[-a-z0-9_]*');
  return new RegExp(`^${pattern}$`).test(plain(name));
}

/** The labels that the DNS proxy gives to addresses. */
export function* fqdnLabels(
  rules: readonly PolicyRule[],
  dns: DnsView,
): Generator<readonly [prefix: Cidr, label: Label]> {
  const selectors = fqdnSelectors(rules);
  for (const [name, addresses] of dns) {
    for (const selector of selectors) {
      if (!matchesFqdn(selector, name)) continue;
      for (const address of addresses) {
        const prefix = maskCidr({ address, bits: address.family === 4 ? 32 : 128 });
        yield [prefix, label(LabelSource.FQDN, selector)];
      }
    }
  }
}
