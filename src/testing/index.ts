export { LbtwinError } from '../errors.ts';
export * from './arbitraries.ts';
export * from './cluster.ts';
export * from '../lab/envelope.ts';
export * from './laws.ts';
export { type FlowExpectation, scenario, type ScenarioCluster } from './scenario.ts';
