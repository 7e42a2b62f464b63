#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { processIo } from './io.ts';
import { run } from './run.ts';

/**
 * Most commands are over before optimised code has paid for its making: a function has to run some eight times longer than usual for V8 to
 * begin with it. A tenth to a quarter less processor time for short commands, none lost for long ones (docs/performance.md). Flags have changed with V8,
 * which complains of those that it does not know: only releases that were looked at are given any.
 */
function patience(release: number): string {
  if (release === 20) return '--interrupt-budget=1000000';
  return release >= 22 && release <= 25
    ? '--invocation-count-for-maglev=3200 --invocation-count-for-turbofan=24000'
    : '';
}

setFlagsFromString(patience(Number.parseInt(process.versions.node)));

process.exitCode = await run(process.argv.slice(2), processIo());
