export * from './cni.ts';
export * from './mount-unit.ts';
