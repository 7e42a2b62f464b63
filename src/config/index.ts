export type { AgentOptions } from './agent-options.ts';
export { type CheckContext, type ConfigCheck, DEFAULT_EPHEMERAL } from './check.ts';
export { checkConfig, CHECKS } from './checks.ts';
export { CNI_FILE } from './table/install.ts';
export { type DatapathConfig, deriveDatapathConfig, type MapSizes } from './datapath-config.ts';
export type { ConfigFinding } from './finding.ts';
export type { Kind as OptionKind, PortRange } from './kind.ts';
export { ABSENT, type Option as ConfigOption } from './option.ts';
export { OPTION_OF_HELM, OPTION_OF_KEY, OPTIONS } from './options.ts';
export { DEFAULT_PROFILE, parseProfile, type PerProfile, type Profile, PROFILES } from './profile.ts';
export { configDataOf, nameOf, readConfigData, type ReadConfig, writeConfigData } from './read.ts';
export { type ConfigData, renderConfigMap, type Rendered } from './render.ts';
export {
  ASSUMED_VALUES,
  type ConfigInput,
  datapathConfig,
  type Disagreement,
  refusedConfig,
  resolveConfig,
  type ResolvedConfig,
  valuesSource,
} from './resolve.ts';
export { parseSet, parseSetJson, parseSetString } from './set.ts';
export { chartDefaults, getPath, type MergedValues, mergeValues, type Values, type ValuesSource } from './values.ts';
export { type ConfigDiff, type DerivedChange, diffConfigs, type SettingChange } from './diff.ts';
export { explainOption, type OptionExplanation } from './explain.ts';
export {
  checkKernel,
  type KernelAnswer,
  type KernelRelease,
  type KernelReport,
  type KernelRequirement,
  parseKernelRelease,
} from './kernel.ts';
