import { type AgentListing, formatListing, listingJson } from '../report/agent/lb-maps.ts';
import type { Args } from './args.ts';
import type { OptionSpecs } from './args.ts';
import type { Io } from './io.ts';

/** `-o json`, as the agent's commands have it. */
export const agentOutputOption: OptionSpecs = {
  output: { type: 'string', short: 'o', value: 'json', help: 'print JSON in the shape of the agent' },
};

export const wantsJson = (args: Args): boolean => args.choice('output', ['json', 'text'] as const) === 'json';

export const writeJson = (value: unknown, io: Io): void => io.write(`${JSON.stringify(value, undefined, 2)}\n`);

export function writeListing(listing: AgentListing, args: Args, io: Io): void {
  if (wantsJson(args)) writeJson(listingJson(listing), io);
  else io.write(formatListing(listing));
}
