import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSet, resolveConfig, valuesSource, type Values } from '../../src/config/index.ts';
import { LbtwinError } from '../../src/errors.ts';
import { checkMountUnit, checkStatus, cniSettingsOf, planCni } from '../../src/install/index.ts';
import { VALIDATED_KINDS, validateFile, validateObject } from '../../src/validate/index.ts';
import { readYaml } from '../../src/yaml/index.ts';

/** Only bad input may be thrown, never a defect. */
function survives(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof LbtwinError)) throw error;
  }
}

/** Texts near YAML: its own characters, words that mean something, any other character. */
const nearYaml = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'a: ',
        '- ',
        '\n',
        '\n  ',
        '{',
        '}',
        '[',
        ']',
        '&x ',
        '*x',
        '<<: ',
        '|\n',
        '"',
        "'",
        '---\n',
        'y',
        '010',
        '~',
        '#',
        '!!str ',
        ': ',
        '? ',
        ',',
      ),
      fc.string({ maxLength: 3 }),
    ),
    { maxLength: 24 },
  )
  .map((parts) => parts.join(''));

/** Objects of a kind that is validated, with fields of any type in places that matter. */
const nearObject = fc
  .tuple(
    fc.constantFrom(...VALIDATED_KINDS),
    fc.dictionary(
      fc.constantFrom(
        'endpointSelector',
        'nodeSelector',
        'ingress',
        'egress',
        'ports',
        'type',
        'podSelector',
        'clusterIP',
        'redirectFrontend',
        'redirectBackend',
        'containers',
      ),
      fc.jsonValue({ maxDepth: 4 }),
    ),
    fc.jsonValue({ maxDepth: 2 }),
  )
  .map(([kind, spec, metadata]) => ({
    apiVersion: 'v1',
    kind,
    metadata,
    spec,
    endpoints: spec['ports'],
    addressType: 'IPv4',
  }));

describe('bad input is told, and nothing breaks', () => {
  it('any text as a file', () => {
    fc.assert(
      fc.property(
        fc.oneof(nearYaml, fc.string()),
        fc.constantFrom('a.yaml', 'a.json', 'a.mount', 'README'),
        (text, file) => {
          const { findings } = validateFile(file, text);
          for (const { line, column } of findings) expect(Math.min(line, column)).toBeGreaterThanOrEqual(1);
        },
      ),
    );
  });

  it('any object of a known kind', () => {
    fc.assert(
      fc.property(nearObject, (object) => {
        const verdict = validateObject(object);
        expect(verdict.effective).toBe(verdict.schema.length === 0 && verdict.agent === undefined);
      }),
    );
  });

  it('any values, and any words of --set', () => {
    const values = fc.dictionary(
      fc.constantFrom(
        'loadBalancer',
        'bpf',
        'nodePort',
        'cni',
        'maglev',
        'kubeProxyReplacement',
        'extraConfig',
        'devices',
        'ipv4',
        'x',
      ),
      fc.jsonValue({ maxDepth: 3 }),
    );
    fc.assert(
      fc.property(values, (given) => {
        const resolved = resolveConfig({ values: [valuesSource(given as Values)] });
        survives(() => planCni(cniSettingsOf(resolved.config), new Map()));
      }),
    );
    fc.assert(fc.property(fc.string(), (text) => survives(() => parseSet(text))));
  });

  it('any text as a unit, a status, a CNI directory', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (text, name) => {
        checkMountUnit(text, name);
        survives(() => checkStatus(text));
        const settings = { ...cniSettingsOf(resolveConfig().config), chainingTarget: '*', chainingMode: '' };
        planCni(settings, new Map([[`${name}.conf`, text]]));
      }),
    );
  });

  it('aliases cannot blow a text up', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghi'
      .split('')
      .map((name, i) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefgh'[i]}`).join(',')}]`)
      .join('\n')}\n`;
    expect(() => readYaml(bomb)).toThrow(expect.objectContaining({ code: 'yaml-too-large' }));
  });
});
