import type { DatapathConfig } from './datapath-config.ts';
import type { ConfigFinding } from './finding.ts';
import type { ReadConfig } from './read.ts';

/** What a check looks at: the derived configuration and what was given for it. */
export interface CheckContext {
  readonly config: DatapathConfig;
  readonly read: ReadConfig;
  /** The host's net.ipv4.ip_local_port_range; Linux's default unless told. */
  readonly ephemeral: { readonly min: number; readonly max: number };
}

export const DEFAULT_EPHEMERAL = { min: 32768, max: 60999 } as const;

/** A combination that the agent refuses, or a known trap. */
export interface ConfigCheck {
  readonly code: string;
  readonly severity: ConfigFinding['severity'];
  readonly options: readonly string[];
  /** What it is about, for `config explain`. */
  readonly rule: string;
  /** The message if it applies. For errors: what the agent logs. */
  message(context: CheckContext): string | undefined;
  readonly hint?: string;
}

/** The message if the condition holds. */
export const when = (condition: boolean, message: string): string | undefined => (condition ? message : undefined);

/** Options that many checks name. */
export const MODE = 'loadBalancer.mode';
export const DISPATCH = 'loadBalancer.dsrDispatch';
export const ACCELERATION = 'loadBalancer.acceleration';
