import type { CheckContext, ConfigCheck } from './check.ts';
import type { ConfigFinding } from './finding.ts';
import { REFUSALS } from './refusals.ts';
import { TRAPS } from './traps.ts';

/** Every check in order. */
export const CHECKS: readonly ConfigCheck[] = [...REFUSALS, ...TRAPS];

/** Runs the checks. */
export function checkConfig(context: CheckContext): ConfigFinding[] {
  return CHECKS.flatMap((check): ConfigFinding[] => {
    const message = check.message(context);
    if (message === undefined) return [];
    const { severity, code, options, hint } = check;
    return [
      {
        severity,
        code,
        message,
        options,
        ...(severity === 'error' ? { by: 'agent' as const } : {}),
        ...(hint === undefined ? {} : { hint }),
      },
    ];
  });
}
