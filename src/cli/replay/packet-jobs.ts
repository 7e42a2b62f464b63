export { readChunks } from './plan.ts';
export { Planner } from './planner.ts';
export { runPackets } from './run.ts';
