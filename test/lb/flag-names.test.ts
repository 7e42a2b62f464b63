import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { serviceFlagNames } from '../../src/lb/flag-names.ts';

describe('serviceFlagNames', () => {
  it('prints every recorded flags word as the agent does', () => {
    const file = JSON.parse(gunzipSync(readFileSync('test/vectors/controlplane.dev.json.gz')).toString()) as {
      about: { flagWords: Record<string, number> };
    };
    const recorded = Object.entries(file.about.flagWords);
    expect(recorded.length).toBeGreaterThan(50);
    for (const [names, word] of recorded) expect([word, serviceFlagNames(word).join('+')]).toEqual([word, names]);
  });

  it('names what the recordings do not have', () => {
    expect(serviceFlagNames(0x0768)).toEqual(['LoadBalancer', '46x64', 'l7-load-balancer']);
    expect(serviceFlagNames(0x0808)).toEqual(['HostPort', 'non-routable', 'loopback']);
    expect(serviceFlagNames(0x0140)).toEqual(['LocalRedirect']);
  });
});
