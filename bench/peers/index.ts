import type { Benchmark } from '../measure.ts';
import { conntrackPeers } from './conntrack.ts';
import { maglevPeers } from './maglev.ts';
import { selectPeers } from './select.ts';

/** Other ways to do what the twin does, each checked to do it before it is timed. */
export const peerBenchmarks = (): Benchmark[] => [...selectPeers(), ...conntrackPeers(), ...maglevPeers()];
