export * from './call.ts';
export * from './options.ts';
export * from './peer.ts';
export * from './reverse-map.ts';
export * from './socket-lb.ts';
export * from './socket.ts';
