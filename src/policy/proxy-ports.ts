import type { DirectionName } from './layout.ts';

/**
 * Proxy ports where nobody says better: the agent takes free ports between 10000 and 20000, so the numbers are examples.
 * One per direction and kind of proxy; listeners of Envoy configurations get one each.
 */
export function exampleProxyPorts(): (direction: DirectionName, parser: string, listener: string) => number {
  const listeners = new Map<string, number>();
  return (direction, parser, listener) => {
    const side = direction === 'egress' ? 1 : 0;
    if (parser === 'http') return 10001 + side;
    if (parser === 'tls') return 10011 + side;
    if (parser === 'dns') return 10053;
    if (parser !== 'crd') return 10021 + side;
    const known = listeners.get(listener);
    if (known !== undefined) return known;
    const port = 10100 + listeners.size;
    listeners.set(listener, port);
    return port;
  };
}
