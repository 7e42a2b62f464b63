export * from './cni.ts';
export * from './mount-unit.ts';
export * from './check.ts';
export * from './plan.ts';
export * from './access.ts';
