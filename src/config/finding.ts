import type { Position } from '../yaml/index.ts';

/** Something to tell about settings. `error`: the chart or the agent refuses them; `warning`: they do not do what they seem to. */
export interface ConfigFinding {
  readonly severity: 'error' | 'warning' | 'note';
  /** Stable, kebab-case. */
  readonly code: string;
  /** For `error`: who refuses. */
  readonly by?: 'chart' | 'agent';
  /** For an agent's refusal the text it logs, where that is known. */
  readonly message: string;
  /** What to do instead. */
  readonly hint?: string;
  /** The options concerned: Helm paths where there is one, else keys. */
  readonly options: readonly string[];
  /** File and place, where known. */
  readonly source?: string;
  readonly position?: Position;
}
