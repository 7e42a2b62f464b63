export { describeObject, isUsedKind, type RawObject } from './raw.ts';
export { InputError, type Origin, type Position } from './source.ts';
export { formatUnused, locateError, type ObjectBatch, positionOf, readObjects, type ReadOptions } from './read.ts';
export {
  type ChangeReport,
  type Conflict,
  ControlPlane,
  type ControlPlaneInit,
  type ListedFrontend,
  type ObjectName,
} from './control-plane.ts';
export type { HealthAnswer } from './health-servers.ts';
export type { FaultSource, MapName, MapOperation } from './map-writer.ts';
export type {
  Backend as BackendRow,
  Frontend as FrontendRow,
  FrontendStatus,
  FrontendType,
  Instance as BackendInstance,
  ProxyRedirect,
  ScopedAddress,
  Service as ServiceRow,
  ServiceMarks,
  Source,
} from './model.ts';
export type { NodeAddress, NodeAddressInput } from './node-view.ts';
export { formatRef, type ObjectRef, type Warning } from './objects/fields.ts';
export { decodeObjects, type DecodedObjects, type KnownObject, type Refusal } from './objects/read.ts';
export { type Defect, DEFECTS } from './defects.ts';
export { type ControlPlaneOptions, DEFAULT_OPTIONS } from './options.ts';
export { controlPlaneInit, lbMapsOf } from './from-config.ts';
export { Inventory, type KnownNode, type KnownPod } from './inventory.ts';
export { type FlowAnswer, type FlowClient, type FlowQuestion, type FlowView, SPREAD_PORTS } from './flow-question.ts';
export { selectFlow } from './select-flow.ts';
export { DIFFERENCES_1_17, type Difference } from './profile.ts';
export type { SkipRedirectRow } from './skip-redirects.ts';
