import { apiPath, validateObject } from '../../src/validate/index.ts';
import { readYaml } from '../../src/yaml/index.ts';
import { conformance } from './harness.ts';

interface Case {
  name: string;
  manifest: string;
  config?: Record<string, boolean>;
}

const SWITCHES: Readonly<Record<string, 'l7Proxy' | 'icmpRules'>> = { NoL7Proxy: 'l7Proxy', NoICMPRules: 'icmpRules' };

conformance<{ cases: Case[] }, Case>(
  'crd',
  (doc) => doc.cases,
  ({ name, manifest, config }) => {
    const documents = readYaml(manifest);
    const policy: { l7Proxy?: boolean; icmpRules?: boolean } = {};
    for (const [key, on] of Object.entries(config ?? {})) {
      if (SWITCHES[key] === undefined) throw new Error(`the case sets ${key}, which this runner does not know`);
      policy[SWITCHES[key]] = !on;
    }
    const { schema, agent } = validateObject(documents[0]!.value, { policy });
    return {
      name,
      manifest,
      ...(config === undefined ? {} : { config }),
      schema: schema.map(({ path, kind }) => [apiPath(path), kind]),
      agent: agent?.code ?? null,
    };
  },
);
