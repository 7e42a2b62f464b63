import { describe, expect, it } from 'vitest';
import { datapathConfig, resolveConfig, valuesSource, type Values } from '../../src/config/index.ts';
import { type CniDirectory, cniSettingsOf, planCni } from '../../src/install/index.ts';

const files = (entries: Record<string, string>): CniDirectory => new Map(Object.entries(entries));
const plan = (values: Values, directory: CniDirectory = files({}), read?: (path: string) => string | undefined) =>
  planCni(cniSettingsOf(resolveConfig({ values: [valuesSource(values)] }).config), directory, read);

describe('planCni from Helm values', () => {
  it('writes nothing when the agent manages no file', () => {
    for (const cni of [{ install: false }, { customConf: true }]) {
      expect(plan({ cni }, files({ '10-x.conf': '{}' }))).toMatchObject({
        text: undefined,
        file: undefined,
        error: undefined,
        filesAfter: ['10-x.conf'],
      });
    }
  });

  it('cni.configMap with cni.customConf still writes, without being exclusive', () => {
    const values = { cni: { customConf: true, configMap: 'my-cni' } };
    const result = plan(values, files({ '10-x.conf': '{}' }), (path) =>
      path === '/tmp/cni-configuration/cni-config' ? '{"name":"mine","plugins":[{"type":"cilium-cni"}]}' : undefined,
    );
    expect(result).toMatchObject({ filesAfter: ['05-cilium.conflist', '10-x.conf'], watched: false, warnings: [] });
    expect(result.text).toBe('{"name":"mine","plugins":[{"type":"cilium-cni"}]}');
  });

  it('copies a file byte for byte, and says when it is no configuration', () => {
    const read = (text: string) => plan({ cni: { readCniConf: '/x' } }, files({}), () => text);
    expect(read('not json').text).toBe('not json');
    expect(read('not json').warnings).toEqual(['the file is no JSON object: the container runtime ignores it']);
    expect(read('{"plugins":[{"type":"bridge"}]}').warnings).toEqual([
      'no plugin of type cilium-cni: pods get no Cilium endpoint',
    ]);
  });

  it('a second run changes nothing', () => {
    const first = plan({});
    const again = plan({}, files({ '05-cilium.conflist': first.text! }));
    expect(first.unchanged).toBe(false);
    expect(again).toMatchObject({ unchanged: true, renames: [], filesAfter: ['05-cilium.conflist'] });
  });

  it('warns of a mode that the plugin refuses', () => {
    const settings = { ...cniSettingsOf(datapathConfig()), chainingMode: 'none', chainingTarget: '*' };
    expect(planCni(settings, files({ 'a.conf': '{"name":"n","type":"bridge"}' })).warnings).toEqual([
      'chaining-mode "none": the plugin knows aws-cni, azure, flannel, generic-veth only and fails every pod',
    ]);
  });

  it('warns of a log file name that the agent cannot write', () => {
    expect(plan({ cni: { logFile: "/tmp/it's.log" } }).warnings).toEqual([
      "cni-log-file has a single quote: the agent escapes it as \\', which is no JSON",
    ]);
  });
});
