export { lintObjects } from './cluster.ts';
export { LINT_RULES, type LintFinding, type LintRule, type Rule, type Severity } from './finding.ts';
export { diffObjects, diffPlanes, type FrontendDiff, type NodeDiff } from './diff.ts';
