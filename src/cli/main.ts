#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { processIo } from './io.ts';
import { run } from './run.ts';

/** The last release of Node whose V8 is known to have the flag; it complains about flags that it does not know. */
const LAST_KNOWN = 24;

// Most commands are over before optimised code has paid for its making: a function has to run some eight times longer than usual for V8 to
// begin with it. A quarter less processor time for short commands, none lost for long ones (docs/performance.md).
if (Number.parseInt(process.versions.node) <= LAST_KNOWN) setFlagsFromString('--interrupt-budget=1000000');

process.exitCode = await run(process.argv.slice(2), processIo());
