import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Profile, PROFILES } from '../../src/config/profile.ts';
import { chartDefaults, mergeValues } from '../../src/config/values.ts';
import { ABSENT } from '../../src/config/option.ts';
import { OPTION_OF_HELM, OPTION_OF_KEY } from '../../src/config/options.ts';
import { renderConfigMap } from '../../src/config/render.ts';

interface Row {
  helm: string;
  default: unknown;
  default_1_17: unknown;
  configMapKey: string | null;
  configMapDefault: string | null;
  agentDefault: string | null;
}

/** A list of the chart's values, kept outside this project; KNOWLEDGE names its folder. */
const file = join(process.env['KNOWLEDGE'] ?? '../shared/knowledge', 'helm2configmap.json');
const rows: Row[] = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[] }).rows : [];

/** `true (1.18-dev) / false (1.17)`, or one text for both. */
function agentDefaultOf(text: string | null, profile: Profile): string | null {
  const parts = /^(\S+) \(1\.18-dev\) \/ (\S+) \(1\.17\)$/.exec(text ?? '');
  return parts === null ? text : profile === '1.18' ? parts[1]! : parts[2]!;
}

const pathsOf = (row: Row): (string | undefined)[] => {
  if (row.helm.includes('agent only')) return [undefined];
  return row.helm.split(' / ');
};

describe.skipIf(rows.length === 0)(`every row of ${file}`, () => {
  it('there are rows', () => expect(rows.length).toBe(113));

  it.each(rows.map((row) => [row.helm, row] as const))('%s', (_, row) => {
    for (const path of pathsOf(row)) {
      const option = path === undefined ? OPTION_OF_KEY.get(row.configMapKey!) : OPTION_OF_HELM.get(path);
      expect(option, `${path} is in the table`).toBeDefined();
      const key = row.configMapKey === '(same keys as socketLB)' ? null : row.configMapKey;
      expect(option!.key ?? option!.partOf ?? null).toBe(
        path === 'cni.hostConfDirMountPath' ? 'write-cni-conf-when-ready' : key,
      );
      for (const profile of PROFILES) {
        const expected = profile === '1.18' ? row.default : row.default_1_17;
        expect(option!.values[profile], `values.yaml ${profile}`).toEqual(expected ?? null);
        // The list tells what the agent's code says of a key; where several values make one key, only one row has it.
        if (option!.field !== undefined && option!.partOf === undefined && row.agentDefault !== null) {
          expect(option!.agent[profile], `flag default ${profile}`).toBe(agentDefaultOf(row.agentDefault, profile));
        }
      }
      if (key === null || key === '<any>') continue;
      const plain = renderConfigMap(mergeValues('1.18', [])).data;
      expect(plain[key] ?? null, `${key} with untouched values`).toBe(row.configMapDefault);
    }
  });
});

it('the two lists of defaults agree', () => {
  for (const profile of PROFILES) {
    for (const [path, option] of OPTION_OF_HELM) {
      const value = path
        .split('.')
        .reduce<unknown>((at, part) => (at as Record<string, unknown>)?.[part], chartDefaults(profile));
      expect(value, path).toEqual(option.values[profile] === ABSENT ? undefined : option.values[profile]);
    }
  }
});
