export * from './affinity-map.ts';
export * from './backend-map.ts';
export * from './layout.ts';
export * from './maglev-map.ts';
export * from './maps.ts';
export * from './service-map.ts';
export * from './skip-lb-map.ts';
export * from './source-range-map.ts';
