import type { AgentOptions } from './agent-options.ts';
import type { Kind } from './kind.ts';
import type { PerProfile } from './profile.ts';

/** A Helm value that values.yaml does not have. */
export const ABSENT = '<absent from values.yaml>';

/** What a chart template sees. */
export interface Chart {
  readonly profile: string;
  /** The value at a dotted path of the merged values, or undefined. */
  get(path: string): unknown;
  /** True if the key exists, whatever its value (Helm's `hasKey`). */
  has(path: string): boolean;
  /** False if `upgradeCompatibility` asks for the computed defaults of a minor version before this one. */
  since(minor: number): boolean;
  /** `kubeProxyReplacement` as the chart normalises it. */
  readonly kubeProxyReplacement: string;
  /** `cni.chainingMode`, or what its absence means. */
  readonly chainingMode: string;
}

/** How the chart turns a Helm value into a ConfigMap entry. */
export interface Emit {
  /** In words: when the key is written. */
  readonly when: string;
  /** The text written for the option at `helm`, or undefined if the key is left out. */
  readonly text: (chart: Chart, helm: string) => string | undefined;
}

/**
 * One option: what Helm calls it, what the ConfigMap and the agent's flag call it, its defaults and its effect.
 * An option without `helm` exists for the agent only (`extraConfig` reaches it); one without `key` never leaves the chart.
 */
export interface Option<F extends keyof AgentOptions = keyof AgentOptions> {
  readonly helm?: string;
  /** The ConfigMap key; the agent's flag is the same word after `--`. */
  readonly key?: string;
  /** Several Helm values make one key: this one is a part, and another row writes it. */
  readonly partOf?: string;
  /** The default in values.yaml, or `ABSENT`. */
  readonly values: PerProfile<unknown>;
  /** The agent's flag default as text; null if no agent flag reads the key. */
  readonly agent: PerProfile<string | null>;
  readonly emit?: Emit;
  readonly field?: F;
  readonly kind: Kind<AgentOptions[F]> | Kind;
  /** What it changes, one sentence, for `config explain` and `config diff`. */
  readonly effect: string;
  /** Traps and history. */
  readonly note?: string;
  /** Which part of lbtwin acts on it; `described`: carried, rendered and explained, but nothing simulated depends on it. */
  readonly reader: 'datapath' | 'sockets' | 'control plane' | 'policy' | 'install' | 'chart' | 'described';
}
