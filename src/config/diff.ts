import type { ConfigFinding } from './finding.ts';
import { shownValue } from './explain.ts';
import { goText } from './go.ts';
import type { Option } from './option.ts';
import { OPTIONS } from './options.ts';
import { nameOf } from './read.ts';
import type { ResolvedConfig } from './resolve.ts';

/** One setting that differs. */
export interface SettingChange {
  readonly option: string;
  readonly key: string | undefined;
  readonly from: string;
  readonly to: string;
  /** What the option changes for traffic. */
  readonly effect: string;
  /** What happens on a live cluster when it is changed. */
  readonly onChange: string | undefined;
  readonly reader: Option['reader'];
}

/** Something that follows from several settings together. */
export interface DerivedChange {
  readonly what: string;
  readonly from: string;
  readonly to: string;
}

export interface ConfigDiff {
  readonly settings: readonly SettingChange[];
  readonly derived: readonly DerivedChange[];
  /** Findings that only the new configuration has, and those that are gone. */
  readonly newFindings: readonly ConfigFinding[];
  readonly goneFindings: readonly ConfigFinding[];
}

const TABLES =
  'Maps of another size are created anew: connections of the old ones are tracked from scratch, and replies may be dropped meanwhile.';

/** What a change does to a cluster that is serving. */
const ON_CHANGE: Readonly<Record<string, string>> = {
  'bpf-lb-maglev-table-size':
    'Most flows map to another slot: until all agents have restarted, two nodes pick different backends for one flow. Flows that a node tracks keep their backend.',
  'bpf-lb-maglev-hash-seed':
    'Nearly every flow maps to another backend, and nodes with different seeds disagree: change it on all nodes at once, or never.',
  'bpf-lb-algorithm': 'New flows are picked differently; tracked ones keep their backend.',
  'bpf-lb-mode':
    'Flows that were forwarded the old way have state of that kind only: restart all agents within a short time, connections through a node that has not yet changed may break.',
  'bpf-lb-dsr-dispatch':
    'Nodes with different dispatch do not understand each other: connections across them break until all have restarted.',
  'routing-mode': "Nodes with different routing modes cannot reach each other's pods: migrate node by node, drained.",
  'tunnel-protocol': "Nodes with different tunnels cannot reach each other's pods: all agents must change together.",
  'tunnel-port': "Nodes with different tunnel ports cannot reach each other's pods.",
  'kube-proxy-replacement':
    'Connections that kube-proxy translates lose their state when its rules go; run one of the two, and restart agents node by node.',
  'node-port-range':
    'Services keep their NodePorts: those outside the new range stop being protected, and SNAT source ports start elsewhere.',
  'bpf-ct-global-tcp-max': TABLES,
  'bpf-ct-global-any-max': TABLES,
  'bpf-nat-global-max': TABLES,
  'bpf-lb-map-max':
    'The service maps are created anew and filled again; a smaller size than needed leaves services out.',
  'enable-session-affinity': 'Clients may be moved once.',
  'bpf-lb-sock': 'Sockets that are connected keep their backend; new ones are translated the other way.',
  'bpf-lb-sock-hostns-only':
    'Sockets that are connected keep their backend; new ones of pods are translated the other way.',
};

function derivedOf({ config }: ResolvedConfig): Record<string, string> {
  const { maps } = config;
  return {
    'traffic from outside': config.nodePort ? 'served in eBPF' : 'left to kube-proxy',
    'reply path of remote backends': config.nodePort
      ? config.modeAnnotation
        ? `${config.mode}, or as the Service's annotation says`
        : config.mode === 'snat'
          ? 'back through the node, client address hidden'
          : config.mode === 'dsr'
            ? 'straight to the client, client address kept'
            : 'TCP straight to the client, UDP back through the node'
      : 'kube-proxy',
    'translation for pods':
      config.socketLBCoverage === 'full'
        ? 'at the socket'
        : config.socketLBCoverage === 'host'
          ? 'packet by packet (sockets of the host only)'
          : 'packet by packet, or by kube-proxy',
    'between nodes':
      config.tunnel === undefined ? 'native routing' : `${config.tunnel} on UDP port ${config.effectiveTunnelPort}`,
    'SNAT source ports': `${config.snatPorts.min}-${config.snatPorts.max}`,
    'host routing': config.hostLegacyRouting ? 'through the host stack' : 'eBPF',
    'NAT table': `${maps.nat} entries`,
  };
}

const sameFinding = (a: ConfigFinding, b: ConfigFinding): boolean => a.code === b.code && a.message === b.message;

/** What changes between two configurations, in words. */
export function diffConfigs(before: ResolvedConfig, after: ResolvedConfig): ConfigDiff {
  const settings = OPTIONS.flatMap((option): SettingChange[] => {
    if (option.key === undefined) return [];
    const read = ({ read: { options }, data }: ResolvedConfig): unknown =>
      option.field === undefined ? data[option.key!] : options[option.field];
    const [from, to] = [shownValue(option, read(before)), shownValue(option, read(after))];
    if (from === to) return [];
    const { key, effect, reader, field } = option;
    const base = { option: nameOf(option), key, from, to, reader };
    const [was, is] = field === undefined ? [from, to] : [before.config[field], after.config[field]];
    if (JSON.stringify(was) === JSON.stringify(is)) {
      const effective = field === undefined ? to : shownValue(option, is);
      return [{ ...base, effect: `No effect: other settings make it ${effective} either way.`, onChange: undefined }];
    }
    return [{ ...base, effect, onChange: ON_CHANGE[key] }];
  });
  const [was, is] = [derivedOf(before), derivedOf(after)];
  const derived = Object.keys(is).flatMap((what): DerivedChange[] =>
    was[what] === is[what] ? [] : [{ what, from: was[what]!, to: is[what]! }],
  );
  if (before.config.profile !== after.config.profile) {
    derived.unshift({ what: 'profile', from: before.config.profile, to: goText(after.config.profile) });
  }
  return {
    settings,
    derived,
    newFindings: after.findings.filter((one) => !before.findings.some((other) => sameFinding(one, other))),
    goneFindings: before.findings.filter((one) => !after.findings.some((other) => sameFinding(one, other))),
  };
}
