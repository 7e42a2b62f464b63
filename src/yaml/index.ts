export * from './document.ts';
export * from './scalar.ts';
