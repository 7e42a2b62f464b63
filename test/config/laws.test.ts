import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ConfigData,
  OPTIONS,
  PROFILES,
  readConfigData,
  resolveConfig,
  valuesSource,
  writeConfigData,
} from '../../src/config/index.ts';
import { isKnownTo } from '../../src/config/options.ts';
import { hasPath, withPathSet } from '../../src/config/values.ts';

const typed = OPTIONS.filter(({ field, key }) => field !== undefined && key !== undefined);

const anyData: fc.Arbitrary<ConfigData> = fc
  .tuple(
    ...typed.map((option) =>
      fc.option(fc.constantFrom(...option.kind.samples.map((value) => option.kind.format(value as never)))),
    ),
  )
  .map((texts) => Object.fromEntries(typed.flatMap(({ key }, i) => (texts[i] === null ? [] : [[key!, texts[i]!]]))));

describe('laws of the option table', () => {
  it('reading what was written gives the same options', () => {
    fc.assert(
      fc.property(anyData, fc.constantFrom(...PROFILES), (data, profile) => {
        const { options, given, findings } = readConfigData(data, profile);
        expect(findings).toEqual([]);
        const written = writeConfigData(options, given);
        expect(readConfigData(written, profile).options).toEqual(options);
        expect(writeConfigData(readConfigData(written, profile).options, given)).toEqual(written);
        expect(readConfigData(writeConfigData(options), profile).options).toEqual(options);
      }),
    );
  });

  it("every key that is read can be reached from a Helm value, or is documented as the agent's own", () => {
    const agentOnly = OPTIONS.filter(({ key, helm }) => key !== undefined && helm === undefined).map(({ key }) => key);
    expect(agentOnly.sort()).toMatchInlineSnapshot(`
      [
        "allow-localhost",
        "bpf-ct-timeout-regular-any",
        "bpf-ct-timeout-regular-tcp",
        "bpf-ct-timeout-regular-tcp-fin",
        "bpf-ct-timeout-regular-tcp-syn",
        "bpf-ct-timeout-service-any",
        "bpf-ct-timeout-service-tcp",
        "bpf-ct-timeout-service-tcp-grace",
        "bpf-fragments-map-max",
        "bpf-lb-affinity-map-max",
        "bpf-lb-maglev-map-max",
        "bpf-lb-rev-nat-map-max",
        "bpf-lb-rss-ipv4-src-cidr",
        "bpf-lb-rss-ipv6-src-cidr",
        "bpf-lb-service-backend-map-max",
        "bpf-lb-service-map-max",
        "bpf-lb-source-range-map-max",
        "bpf-sock-rev-map-max",
        "enable-icmp-rules",
        "enable-local-node-route",
        "enable-source-ip-verification",
        "fixed-zone-mapping",
        "ipv4-service-loopback-address",
        "lb-pressure-metrics-interval",
        "lb-retry-backoff-max",
        "lb-retry-backoff-min",
        "lb-state-file",
        "lb-state-file-interval",
        "node-port-algorithm",
        "node-port-mode",
      ]
    `);
    for (const option of typed) {
      if (option.helm === undefined) continue;
      expect(option.emit ?? option.partOf, `${option.helm} writes ${option.key}`).toBeDefined();
    }
  });

  it('every key can also be set by extraConfig', () => {
    for (const { key, kind, field } of typed) {
      const text = kind.format(kind.samples[1] as never);
      const { read } = resolveConfig({ values: [valuesSource({ extraConfig: { [key!]: text } })] });
      expect(kind.format(read.options[field!] as never), key).toBe(text);
    }
  });

  it('no option is dead: another legal value changes the rendered ConfigMap or the installation', () => {
    for (const option of OPTIONS) {
      if (option.helm === undefined || option.reader === 'chart' || option.key === undefined) continue;
      const profile = PROFILES.find((one) => isKnownTo(option, one))!;
      const base = resolveConfig({ profile, values: [valuesSource({ kubeProxyReplacement: false })] });
      const changed = [...option.kind.samples, false].some((sample) => {
        let values = withPathSet({}, option.helm!, sample);
        if (option.helm!.startsWith('loadBalancer.l7.'))
          values = withPathSet(values, 'loadBalancer.l7.backend', 'envoy');
        if (option.helm === 'encryption.enabled') values = withPathSet(values, 'encryption.type', 'ipsec');
        if (option.helm === 'encryption.type') values = { encryption: { enabled: true, type: 'wireguard' } };
        if (option.helm === 'kubeProxyReplacementHealthzBindAddr') values = { ...values, kubeProxyReplacement: true };
        const { data } = resolveConfig({ profile, values: [valuesSource(values)] });
        return data[option.key!] !== base.data[option.key!];
      });
      expect(changed, `${option.helm} changes ${option.key}`).toBe(true);
    }
  });

  it('an option that a part of lbtwin is said to act on is read somewhere', () => {
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const textOf = (keep: (name: string) => boolean): string =>
      files
        .filter(keep)
        .map((name) => readFileSync(`src/${name}`, 'utf8'))
        .join('\n');
    const readers = textOf((name) => !name.startsWith('config/'));
    const derived = textOf((name) => /^config\/(?:datapath-config|refusals|traps)\.ts$/.test(name));
    for (const { field, reader, key } of typed) {
      if (reader === 'described') continue;
      const read = new RegExp(`\\b(?:config|status)\\.${field}\\b|[{,]\\s*${field}\\s*[,}]`).test(readers);
      const follows = new RegExp(`\\boptions\\.${field}\\b|[{,]\\s*${field}\\s*[,}]|config\\.${field}\\b`).test(
        derived,
      );
      expect(read || follows, `${key} (${field}), said to be read by: ${reader}`).toBe(true);
    }
  });

  it('the documentation names every option that only the agent has', () => {
    const page = readFileSync('docs/settings.md', 'utf8');
    for (const { key, helm } of OPTIONS) if (helm === undefined) expect(page, key).toContain(`\`${key}\``);
  });

  it('every typed option changes the configuration', () => {
    for (const { key, kind, field, agent } of typed) {
      const seen = new Set(
        kind.samples.map((sample) =>
          JSON.stringify(readConfigData({ [key!]: kind.format(sample as never) }, '1.18').options[field!]),
        ),
      );
      expect(seen.size, `${key} (default ${agent['1.18']})`).toBeGreaterThan(1);
    }
  });

  it('a key that is not given is not invented', () => {
    expect(hasPath({ a: { b: undefined } }, 'a.b')).toBe(true);
    expect(hasPath({ a: {} }, 'a.b')).toBe(false);
  });
});
