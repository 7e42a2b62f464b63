import { describe, expect, it } from 'vitest';
import { formatPath, LbtwinError, withPath } from '../src/errors.ts';

describe('LbtwinError', () => {
  it('tells path, reason and what is allowed', () => {
    const error = new LbtwinError('invalid-port', '65536 is not a port number', {
      path: ['items', 3, 'spec', 'ports', 0, 'port'],
      allowed: '1..65535',
    });
    expect(error.message).toBe('items[3].spec.ports[0].port: 65536 is not a port number (allowed: 1..65535)');
    expect(error.code).toBe('invalid-port');
    expect(error).toBeInstanceOf(Error);
  });

  it('gains path from the outside in, and keeps the rest', () => {
    const cause = new Error('deep');
    const fail = (): never =>
      withPath(['spec'], () => {
        throw new LbtwinError('x', 'wrong', { path: ['port'], allowed: 'less', cause });
      });
    expect(() => withPath(['items', 0], fail)).toThrow(
      expect.objectContaining({ message: 'items[0].spec.port: wrong (allowed: less)', code: 'x', cause }),
    );
    expect(() => withPath(['a'], () => JSON.parse('{'))).toThrow(SyntaxError);
    expect(withPath(['a'], () => 1)).toBe(1);
  });

  it('quotes keys that are no names', () => {
    expect(formatPath(['metadata', 'annotations', 'service.cilium.io/type'])).toBe(
      'metadata.annotations["service.cilium.io/type"]',
    );
  });
});
