import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkMountUnit, mountUnit, mountUnitName, pathOfMountUnit } from '../../src/install/index.ts';

describe('mountUnitName', () => {
  it.each([
    ['/sys/fs/bpf', 'sys-fs-bpf.mount'],
    ['/sys/fs/bpf/', 'sys-fs-bpf.mount'],
    ['//sys//fs//bpf', 'sys-fs-bpf.mount'],
    ['/', '-.mount'],
    ['/run/cilium/cgroupv2', 'run-cilium-cgroupv2.mount'],
    ['/var/lib/my-data', 'var-lib-my\\x2ddata.mount'],
    ['/mnt/with space', 'mnt-with\\x20space.mount'],
    ['/.hidden', '\\x2ehidden.mount'],
    ['/mnt/.hidden', 'mnt-.hidden.mount'],
    ['/foo_bar', 'foo_bar.mount'],
    ['/a\\b', 'a\\x5cb.mount'],
    ['/é', '\\xc3\\xa9.mount'],
  ])('%s', (path, unit) => expect(mountUnitName(path)).toBe(unit));

  it.each(['sys/fs/bpf', '', '/a/../b', '/a/./b'])('refuses %j', (path) => {
    expect(() => mountUnitName(path)).toThrow(expect.objectContaining({ code: 'invalid-path' }));
  });

  it('can be turned back', () => {
    const part = fc
      .string({ minLength: 1, unit: 'grapheme' })
      .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..');
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const path = `/${parts.join('/')}`;
        expect(pathOfMountUnit(mountUnitName(path))).toBe(path);
      }),
    );
  });
});

const GOOD = mountUnit('/mnt/bpf').text;
const codes = (text: string, unit?: string): string[] => checkMountUnit(text, unit).map(({ code }) => code);

describe('checkMountUnit', () => {
  it('has nothing to say about its own unit', () => {
    expect(mountUnit('/mnt/bpf').name).toBe('mnt-bpf.mount');
    expect(codes(GOOD, 'mnt-bpf.mount')).toEqual([]);
    expect(mountUnit('/sys/fs/bpf').warnings).toHaveLength(1);
  });

  it.each<[string, string, string | undefined, string[]]>([
    ['another name', GOOD, 'bpf.mount', ['where-mismatch']],
    ['no mount unit', GOOD, 'mnt-bpf.service', ['unit-name', 'where-mismatch']],
    ['what= in lower case', GOOD.replace('What=', 'what='), 'mnt-bpf.mount', ['unknown-key', 'what-missing']],
    ['type= in lower case', GOOD.replace('Type=', 'type='), 'mnt-bpf.mount', ['unknown-key', 'type-missing']],
    ['wantedBy=', GOOD.replace('WantedBy=', 'wantedBy='), 'mnt-bpf.mount', ['unknown-key', 'no-wanted-by']],
    [
      '[mount]',
      GOOD.replace('[Mount]', '[mount]'),
      'mnt-bpf.mount',
      ['unknown-section', 'where-missing', 'what-missing', 'type-missing'],
    ],
    ['a relative Where=', GOOD.replace('/mnt/bpf', 'mnt/bpf'), 'mnt-bpf.mount', ['where-relative']],
    ['no Where=', GOOD.replace(/^Where=.*\n/m, ''), 'mnt-bpf.mount', ['where-missing']],
    ['What=bpfss', GOOD.replace('What=bpffs', 'What=bpfss'), 'mnt-bpf.mount', ['what-label']],
    ['Type=bpffs', GOOD.replace('Type=bpf', 'Type=bpffs'), 'mnt-bpf.mount', ['type-wrong']],
    ['the path that systemd mounts itself', mountUnit('/sys/fs/bpf').text, 'sys-fs-bpf.mount', ['api-file-system']],
    ['no name known', GOOD, undefined, []],
    ['a line without =', `${GOOD}hello\n`, 'mnt-bpf.mount', ['no-assignment']],
  ])('%s', (_, text, unit, expected) => expect(codes(text, unit)).toEqual(expected));

  it('says what was meant, and in which line', () => {
    expect(checkMountUnit(GOOD.replace('What=', 'what='), 'mnt-bpf.mount')[0]).toMatchObject({
      line: 8,
      hint: 'meant: What=',
    });
    expect(checkMountUnit(GOOD.replace('[Install]', ''), 'mnt-bpf.mount')[0]).toMatchObject({
      code: 'unknown-key',
      hint: 'it belongs into [Install]',
    });
  });
});
