import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECK_FIELDS, inRange, MAPS_FIELDS, matches, SEND_FIELDS, SPREAD_FIELDS } from '../../src/scenario/expect.ts';
import { readScenario } from '../../src/scenario/format.ts';
import { runCli } from '../cli/run-cli.ts';

const objects = readFileSync('examples/scenarios/objects.yaml', 'utf8');

async function inFolder<T>(files: Record<string, string>, act: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'lbtwin-scenario-'));
  try {
    writeFileSync(join(folder, 'objects.yaml'), objects);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    return await act(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the examples', () => {
  it('are as they expect', async () => {
    const { code, out } = await runCli(['run', 'examples/scenarios', 'examples/ci']);
    expect(out).toMatch(/\d+ passed, 0 failed/);
    expect(code).toBe(0);
  });
});

const WRONG = `objects: objects.yaml
steps:
- name: it is not so # keep me
  send: {from: "external:198.51.100.7:40000", to: 10.96.0.80:80/TCP, via: node-a}
  expect: {outcome: replied, dropReason: null}
- name: this is
  send: {from: "external:198.51.100.7:40000", to: 10.96.0.80:80/TCP, via: node-a}
  expect: {outcome: dropped}
`;

describe('lbtwin run', () => {
  it('shows expected and actual, with the journey; exit code 1', async () => {
    await inFolder({ 'a.yaml': WRONG }, async (folder) => {
      const { code, out } = await runCli(['run', folder]);
      expect(code).toBe(1);
      expect(out).toMatch(/✗ it is not so\n\s+outcome:\n\s+expected {2}"replied"\n\s+actual {4}"dropped"/);
      expect(out).toContain('IS_CLUSTER_IP');
      expect(out).toContain('1 passed, 1 failed');
      expect((await runCli(['run', folder, '--filter', 'this is'])).code).toBe(0);
    });
  });

  it('writes TAP, JUnit and JSON', async () => {
    await inFolder({ 'a.yaml': WRONG }, async (folder) => {
      expect((await runCli(['run', folder, '-o', 'tap'])).out).toMatch(
        /^TAP version 14\n1\.\.2\nnot ok 1 - .*\n {2}---/,
      );
      const junit = (await runCli(['run', folder, '-o', 'junit'])).out;
      expect(junit).toContain('<testsuites name="lbtwin" tests="2" failures="1">');
      expect(junit).toContain('<failure message="outcome:">');
      const json = JSON.parse((await runCli(['run', folder, '-o', 'json'])).out) as { passed: number; failed: number };
      expect(json).toMatchObject({ passed: 1, failed: 1 });
    });
  });

  it('--update writes what came and keeps comments', async () => {
    await inFolder({ 'a.yaml': WRONG }, async (folder) => {
      await runCli(['run', folder, '--update']);
      const text = readFileSync(join(folder, 'a.yaml'), 'utf8');
      expect(text).toContain('# keep me');
      expect(text).toMatch(/outcome: dropped/);
      expect((await runCli(['run', folder])).code).toBe(0);
    });
  });

  it.each([
    ['steps: []\nobjects: objects.yaml\n', /a\.yaml:1:\d+: steps: .*list of steps/],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: x, to: z}\n  expect: {outcme: replied}\n',
      /a\.yaml:4:\d+: .*did you mean outcome/,
    ],
    ['objects: objects.yaml\nsteps:\n- sendd: {from: x, to: z}\n', /did you mean send/],
    ['objects: objects.yaml\nsteps:\n- send: {fromm: x, to: z}\n', /did you mean from/],
    ['objects: objects.yaml\nsteps:\n- check: users\n  expect: {shares: 1}\n', /nothing has a field "shares"/],
    ['objects: objects.yaml\nvalue: {}\nsteps:\n- advance: 1\n', /did you mean values/],
    ['objects: objects.yaml\nsteps:\n- advance: soon\n', /whole number/],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP}\n  expect: {outcome: repled}\n',
      /a\.yaml:4:\d+: steps\[0\]\.expect\.outcome: .*did you mean replied/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP}\n  expect: {outcome: {not: repled}}\n',
      /expect\.outcome\.not: .*did you mean replied/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP}\n  expect: {verdict: [replied, nothing]}\n',
      /expect\.verdict\[1\]: "nothing" is not accepted here/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP}\n  expect: {translatedAt: sockets}\n',
      /did you mean socket/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP}\n  expect: {reason: {matches: "["}}\n',
      /expect\.reason\.matches: .*regular expression/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP, ttl: 300}\n  expect: {outcome: replied}\n',
      /send\.ttl: 300 .*0\.\.255/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP, reply: "yes"}\n  expect: {outcome: replied}\n',
      /send\.reply: "yes" .*true or false/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- send: {from: "external:198.51.100.7:1", to: 10.96.0.80:80/TCP, size: big}\n  expect: {outcome: replied}\n',
      /send\.size: "big"/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- spread: {from: "external:198.51.100.7", to: 10.96.0.80:80/TCP, ports: 0}\n',
      /spread\.ports: 0/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- maps: {node: node-a}\n  expect: {contains: ["SVC: ("]}\n',
      /expect\.contains\[0\]: "SVC: \(" is no regular expression/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- spread: {from: "external:198.51.100.7", to: 10.96.0.80:80/TCP}\n  expect: {shares: 5}\n',
      /expect\.shares: 5 is not accepted here/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- spread: {from: "external:198.51.100.7", to: 10.96.0.80:80/TCP}\n  expect: {shares: {10.10.1.10: half}}\n',
      /expect\.shares\["10\.10\.1\.10"\]: "half" is not accepted here/,
    ],
    [
      'objects: objects.yaml\nsteps:\n- spread: {from: "external:198.51.100.7", to: 10.96.0.80:80/TCP}\n  expect: {each: some}\n',
      /expect\.each: "some" is not accepted here/,
    ],
    ['objects: [nowhere.yaml]\nsteps:\n- advance: 1\n', /nowhere\.yaml/],
    ['objects: objects.yaml\nprofile: "1.16"\nsteps:\n- advance: 1\n', /1\.17, 1\.18/],
    [
      'objects: objects.yaml\nvalues: {kubeProxyReplacement: true, routingMode: native, autoDirectNodeRoutes: true, ipv4NativeRoutingCIDR: 10.0.0.0/8, loadBalancer: {mode: dsr, dsrDispatch: ipip}}\nsteps:\n- advance: 1\n',
      /refuses this/,
    ],
  ])('a wrong file %#: exit code 2, file and place', async (text, message) => {
    await inFolder({ 'a.yaml': text }, async (folder) => {
      const { code, err } = await runCli(['run', join(folder, 'a.yaml')]);
      expect(err).toMatch(message);
      expect(code).toBe(2);
    });
  });

  it('shares are of backends with or without their port, of none 0; the first line is the configuration of the beginning', async () => {
    const text = `objects: objects.yaml
values: {kubeProxyReplacement: true}
cluster: {seed: 1}
steps:
- spread: {from: "external:198.51.100.7", to: 203.0.113.80:80/TCP, via: node-a, ports: 300}
  expect: {shares: {10.10.2.10: 1..99%, 192.0.2.1: 0%, "192.0.2.2:80": "> 5%"}}
- restart: {values: {loadBalancer: {algorithm: random}}}
`;
    await inFolder({ 'a.yaml': text }, async (folder) => {
      const { out } = await runCli(['run', join(folder, 'a.yaml')]);
      expect(out).toMatch(/shares\["192\.0\.2\.2:80"\]:\n +expected +"> 5%"\n +actual +0\n/);
      expect(out).not.toMatch(/shares.*10\.10\.2\.10\b/);
      expect(out).not.toMatch(/shares.*192\.0\.2\.1\b/);
      expect(out).toContain('configuration: values[0] over');
    });
  });

  it('a step that cannot be done fails, the others are done', async () => {
    const text = `objects: objects.yaml
steps:
- send: {from: "pod:app/cleint", to: 10.96.0.80:80/TCP}
- check: nobody
- send: {from: "external:198.51.100.7:40000", to: 10.96.0.80:80/TCP, via: node-a}
  expect: {outcome: dropped}
`;
    await inFolder({ 'a.yaml': text }, async (folder) => {
      const { out, code } = await runCli(['run', folder]);
      expect(code).toBe(1);
      expect(out).toContain('did you mean app/client');
      expect(out).toContain('no flow "nobody" was opened');
      expect(out).toContain('1 passed, 2 failed');
    });
  });
});

describe('expectations', () => {
  it.each([
    ['45..55%', 0.5, true],
    ['45..55%', 0.56, false],
    ['<= 3%', 0.03, true],
    ['< 3%', 0.03, false],
    ['> 0', 1, true],
    ['100%', 1, true],
    ['2', 2, true],
    ['soon', 2, false],
  ])('%s of %d is %s', (text, actual, ok) => {
    expect(inRange(text, actual)).toBe(ok);
  });

  it('values, any of, not, patterns, absence, addresses without port', () => {
    expect(matches('a', 'a')).toBe(true);
    expect(matches(['a', 'b'], 'b')).toBe(true);
    expect(matches({ anyOf: ['a'] }, 'b')).toBe(false);
    expect(matches({ not: 'a' }, 'b')).toBe(true);
    expect(matches({ matches: '^10\\.' }, '10.0.0.1')).toBe(true);
    expect(matches(null, undefined)).toBe(true);
    expect(matches('10.0.0.1', '10.0.0.1:80')).toBe(true);
    expect(matches('fd00::1', '[fd00::1]:80')).toBe(true);
    expect(matches('10.0.0.1', '10.0.0.10:80')).toBe(false);
  });

  it('the schema knows every field that the reader knows', () => {
    const schema = JSON.parse(readFileSync('schemas/scenario.schema.json', 'utf8')) as {
      $defs: { expect: { properties: object }; step: { properties: object } };
    };
    const fields = new Set([...SEND_FIELDS, ...SPREAD_FIELDS, ...CHECK_FIELDS, ...MAPS_FIELDS]);
    expect(new Set(Object.keys(schema.$defs.expect.properties))).toEqual(fields);
    for (const [field, name] of [
      ['outcome', 'outcome'],
      ['translatedAt', 'layer'],
      ['status', 'flowStatus'],
    ] as const) {
      const words = (schema.$defs as unknown as Record<string, { anyOf: { enum: string[] }[] }>)[name]!.anyOf[0]!.enum;
      const step = (word: string): object => ({ check: 'x', expect: { [field]: word } });
      for (const word of words) expect(() => readScenario({ objects: [], steps: [step(word)] }, 'x')).not.toThrow();
      const allowed = (error: unknown): string => (error as { allowed: string }).allowed;
      try {
        readScenario({ objects: [], steps: [step('nothing')] }, 'x');
      } catch (error) {
        expect(allowed(error).split(', ').sort()).toEqual([...words].sort());
      }
    }
    for (const step of Object.keys(schema.$defs.step.properties)) {
      if (['name', 'matrix', 'expect'].includes(step)) continue;
      expect(() => readScenario({ objects: [], steps: [{ [step]: 5.5 }] }, 'x')).not.toThrow(
        /a step is one of|means nothing/,
      );
    }
  });
});
