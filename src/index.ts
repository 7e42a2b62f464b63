export * from './config/index.ts';
export * from './conntrack/index.ts';
export * from './errors.ts';
export * from './hash/index.ts';
export * from './k8s/index.ts';
export * from './lb/index.ts';
export * from './maglev/index.ts';
export * from './net/index.ts';
export { type DialectNote, readYaml, type YamlDocument } from './yaml/index.ts';
