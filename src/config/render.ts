import type { ConfigFinding } from './finding.ts';
import { goText, truthy } from './go.ts';
import type { Chart } from './option.ts';
import { isKnownTo, OPTIONS } from './options.ts';
import { getPath, hasPath, isTable, type MergedValues } from './values.ts';

/** The entries of a ConfigMap, in the chart's form: every value is text. */
export type ConfigData = Readonly<Record<string, string>>;

export interface Rendered {
  /** The part of `cilium-config` that the twin knows, keys in alphabetical order; empty if the chart refuses. */
  readonly data: ConfigData;
  /** What the chart itself refuses. */
  readonly findings: readonly ConfigFinding[];
}

/** `1.12`, also where YAML made a number of it: 1.12 stays, 1.10 is 1.1. */
function minorOf(version: unknown): number | undefined {
  const match = /^v?1\.(\d+)/.exec(goText(version));
  return match === null ? undefined : Number(match[1]);
}

function chartOf({ profile, values }: MergedValues): Chart {
  const mode = getPath(values, 'cni.chainingMode');
  const target = getPath(values, 'cni.chainingTarget');
  const kpr = getPath(values, 'kubeProxyReplacement');
  const compatible = minorOf(getPath(values, 'upgradeCompatibility'));
  return {
    profile,
    get: (path) => getPath(values, path),
    has: (path) => hasPath(values, path),
    since: (minor) => compatible === undefined || compatible >= minor,
    kubeProxyReplacement: kpr === null || kpr === undefined || kpr === '' ? 'false' : goText(kpr),
    chainingMode:
      mode === null || mode === undefined
        ? target === null || target === undefined
          ? 'none'
          : 'generic-veth'
        : goText(mode),
  };
}

/** Conditions under which the templates abort. */
function refusals(chart: Chart): ConfigFinding[] {
  const findings: ConfigFinding[] = [];
  const refuse = (code: string, message: string, options: string[], hint?: string): void => {
    findings.push({ severity: 'error', code, by: 'chart', message, options, ...(hint === undefined ? {} : { hint }) });
  };
  if (!['true', 'false'].includes(chart.kubeProxyReplacement)) {
    refuse(
      'kube-proxy-replacement-value',
      'kubeProxyReplacement must be explicitly set to a valid value (true or false) to continue.',
      ['kubeProxyReplacement'],
      ['strict', 'probe', 'partial', 'disabled'].includes(chart.kubeProxyReplacement)
        ? `"${chart.kubeProxyReplacement}" is from before 1.14: strict is now true, partial and disabled are false`
        : undefined,
    );
  }
  const native = chart.get('routingMode') === 'native' && !truthy(chart.get('ipMasqAgent.enabled'));
  const managed = truthy(chart.get('eni.enabled')) || chart.get('ipam.mode') === 'alibabacloud';
  for (const [family, cidr, masquerade] of [
    ['ipv4.enabled', 'ipv4NativeRoutingCIDR', 'enableIPv4Masquerade'],
    ['ipv6.enabled', 'ipv6NativeRoutingCIDR', 'enableIPv6Masquerade'],
  ] as const) {
    const skip = family === 'ipv4.enabled' && managed;
    if (native && !skip && truthy(chart.get(family)) && truthy(chart.get(masquerade)) && !truthy(chart.get(cidr))) {
      refuse('native-routing-cidr', `${cidr} must be set when routingMode is native`, ['routingMode', cidr]);
    }
  }
  if (truthy(chart.get('gke.enabled')) && !['', 'native'].includes(goText(chart.get('routingMode')))) {
    refuse('gke-routing-mode', 'RoutingMode must be set to native when gke.enabled=true', [
      'routingMode',
      'gke.enabled',
    ]);
  }
  if (truthy(chart.get('k8sServiceHost')) && truthy(chart.get('k8sServiceHostRef.name'))) {
    refuse('service-host-twice', 'k8sServiceHost and k8sServiceHostRef exclude each other', [
      'k8sServiceHost',
      'k8sServiceHostRef.name',
    ]);
  }
  return findings;
}

/** Renders the ConfigMap entries that the chart writes for merged values (docs/settings.md tells the rules). */
export function renderConfigMap(merged: MergedValues): Rendered {
  const chart = chartOf(merged);
  const findings = refusals(chart);
  if (findings.length > 0) return { data: {}, findings };
  const data: Record<string, string> = {};
  for (const option of OPTIONS) {
    if (option.key === undefined || option.emit === undefined || !isKnownTo(option, merged.profile)) continue;
    const text = option.emit.text(chart, option.helm ?? '');
    if (text !== undefined) data[option.key] = text;
  }
  if (chart.chainingMode !== 'none' && chart.chainingMode !== 'portmap') data['enable-local-node-route'] = 'false';
  const extra = chart.get('extraConfig');
  if (isTable(extra)) for (const [key, value] of Object.entries(extra)) data[key] = goText(value);
  return { data: Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1))), findings };
}
