export { schemasOfCrds } from './crd.ts';
export {
  type AgentRefusal,
  type ObjectVerdict,
  policyOptionsOf,
  type SchemaSource,
  VALIDATED_KINDS,
  type ValidateOptions,
  validateObject,
} from './object.ts';
export { apiPath, type Schema, type SchemaError, unknownFields, validateSchema } from './schema.ts';
export { CILIUM_POLICY, LOCAL_REDIRECT_POLICY, PORT_PATTERN } from './schemas/cilium.ts';
export { type FileReport, type Finding, type FindingStage, validateFile, type ValidateFileOptions } from './file.ts';
export { findMisprints, MISPRINTS, type MisprintPlace } from './misprints.ts';
