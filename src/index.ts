export * from './errors.ts';
export * from './net/index.ts';
