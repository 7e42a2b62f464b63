import type { Family, Node } from '../src/index.ts';
import { makeNode } from './northsouth.ts';

/** The north-south benchmarks' node, as threads make it. */
export default ({ family }: { family: Family }): Node => makeNode(family, {});
