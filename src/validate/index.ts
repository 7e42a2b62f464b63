export { apiPath, type Schema, type SchemaError, unknownFields, validateSchema } from './schema.ts';
export { CILIUM_POLICY, LOCAL_REDIRECT_POLICY, PORT_PATTERN } from './schemas/cilium.ts';
