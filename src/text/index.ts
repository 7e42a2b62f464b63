export * from './nearest.ts';
export * from './re2.ts';
