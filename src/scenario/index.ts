export { type Difference, type Expected, fieldsOf } from './expect.ts';
export { type Expect, type OpenSpec, readScenario, type Scenario, type SpreadSpec, type Step } from './format.ts';
export { type CaseResult, runScenario, type ScenarioHost, type ScenarioResult } from './run.ts';
