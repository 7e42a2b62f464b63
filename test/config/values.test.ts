import { describe, expect, it } from 'vitest';
import {
  mergeValues,
  parseSet,
  parseSetJson,
  parseSetString,
  type Values,
  valuesSource,
} from '../../src/config/index.ts';

const set = (text: string): Values => parseSet(text).values;

describe('--set', () => {
  it.each<[string, Values]>([
    ['a.b=c', { a: { b: 'c' } }],
    ['a=1,b=true,c=null,d=text', { a: 1, b: true, c: null, d: 'text' }],
    ['a=01,b=0,c=-5,d=1.5', { a: '01', b: 0, c: -5, d: '1.5' }],
    ['list={x,y,3}', { list: ['x', 'y', 3] }],
    ['list={}', { list: [] }],
    ['list[1].name=b', { list: [null, { name: 'b' }] }],
    ['nodePort.range=30000\\,32767', { nodePort: { range: '30000,32767' } }],
    ['a\\.b/c=d', { 'a.b/c': 'd' }],
    ['a=', { a: '' }],
    ['a.b=1,a.c=2', { a: { b: 1, c: 2 } }],
    ['n=1000000', { n: '1000000' }],
  ])('%s', (text, values) => expect(set(text)).toEqual(values));

  it.each(['a', 'a.b', '=1', 'a[x]=1', 'a={x', 'a[99999999]=1', 'a..b=1'])('refuses %s', (text) => {
    expect(() => set(text)).toThrow(expect.objectContaining({ code: 'invalid-set' }));
  });

  it('--set-string keeps text, --set-json takes JSON', () => {
    expect(parseSetString('a=1,b=true').values).toEqual({ a: '1', b: 'true' });
    expect(parseSetJson('a.b=[1,2]').values).toEqual({ a: { b: [1, 2] } });
    expect(parseSetJson('{"a":{"b":null}}').values).toEqual({ a: { b: null } });
    expect(() => parseSetJson('a=[1')).toThrow(expect.objectContaining({ code: 'invalid-set' }));
  });
});

describe('mergeValues', () => {
  it('merges tables, replaces lists, later sources win', () => {
    const merged = mergeValues('1.18', [
      valuesSource({ loadBalancer: { mode: 'dsr', algorithm: 'random' }, devices: ['eth0', 'eth1'] }, 'a'),
      valuesSource({ loadBalancer: { algorithm: 'maglev' }, devices: ['eth2'] }, 'b'),
    ]);
    expect(merged.values['loadBalancer']).toMatchObject({ mode: 'dsr', algorithm: 'maglev', acceleration: 'disabled' });
    expect(merged.values['devices']).toEqual(['eth2']);
    expect(merged.originOf('loadBalancer.mode')?.name).toBe('a');
    expect(merged.originOf('loadBalancer.algorithm')?.name).toBe('b');
    expect(merged.originOf('maglev.tableSize')).toBeUndefined();
  });

  it('null removes a default of the chart', () => {
    const merged = mergeValues('1.18', [valuesSource({ bpf: { lbMapMax: null } })]);
    expect(Object.hasOwn(merged.values['bpf'] as object, 'lbMapMax')).toBe(false);
  });
});
