import { describe, expect, it } from 'vitest';
import { Algorithm, affinityUnion, l7Union, Scope, ServiceFlag } from '../../../src/lb/layout.ts';
import { LbMaps } from '../../../src/lb/maps.ts';
import { parseAddress } from '../../../src/net/address.ts';
import { parseCidr } from '../../../src/net/cidr.ts';
import { parseL4Address } from '../../../src/net/endpoint.ts';
import {
  type AgentListing,
  formatListing,
  lbBackends,
  lbFrontends,
  lbList,
  lbMaglev,
  lbReverseNat,
  lbSourceRanges,
  listingJson,
} from '../../../src/report/agent/lb-maps.ts';

function service(maps: LbMaps, text: string, slot: number, value: object): void {
  const internal = text.endsWith('/i');
  const { address, port, protocol } = parseL4Address(internal ? text.slice(0, -2) : text);
  const scope = internal ? Scope.INTERNAL : Scope.EXTERNAL;
  const defaults = { union: 0, count: 0, revNatIndex: 0, flags: 0, qcount: 0 };
  maps.of(address.family).services.set({ address, port, protocol, slot, scope }, { ...defaults, ...value });
}

function backend(maps: LbMaps, id: number, text: string, more: object = {}): void {
  const { address, port, protocol } = parseL4Address(text);
  maps.of(address.family).backends.set(id, { address, port, protocol, state: 0, clusterId: 0, zone: 0, ...more });
}

/** `~` marks the end of a line with trailing blanks. */
const marked = (listing: AgentListing): string => formatListing(listing).replace(/ $/gm, ' ~');

describe('listings of the maps', () => {
  it('bpf lb list', () => {
    const maps = new LbMaps();
    service(maps, '10.96.0.20:80/TCP', 1, { union: 1, revNatIndex: 2 });
    service(maps, '10.96.0.20:80/TCP', 0, { count: 1, revNatIndex: 2 });
    const flags = ServiceFlag.LOAD_BALANCER | ServiceFlag.EXT_LOCAL_SCOPE | ServiceFlag.TWO_SCOPES;
    const l7 = {
      union: l7Union(1000),
      revNatIndex: 5,
      flags: flags | ServiceFlag.ROUTABLE | ServiceFlag.L7_LOAD_BALANCER,
    };
    service(maps, '10.0.0.7:80/TCP/i', 0, l7);
    service(maps, '10.0.0.7:80/TCP/i', 1, { union: 9, revNatIndex: 5 });
    service(maps, '[fd00::1]:53/UDP', 0, { revNatIndex: 7 });
    backend(maps, 1, '10.244.1.1:8080/TCP');
    expect(marked(lbList(maps))).toBe(
      `SERVICE ADDRESS         BACKEND ADDRESS (REVNAT_ID) (SLOT)
10.0.0.7:80/TCP/i (0)   0.0.0.0:0 (5) (0) [LoadBalancer, Local, two-scopes, l7-load-balancer] (L7LB Proxy Port: 1000)   ~
10.0.0.7:80/TCP/i (1)   backend 9 not found                                                                             ~
10.96.0.20:80/TCP (0)   0.0.0.0:0 (2) (0) [ClusterIP, non-routable]                                                     ~
10.96.0.20:80/TCP (1)   10.244.1.1:8080/TCP (2) (1)                                                                     ~
[fd00::1]:53/UDP (0)    [::]:0 (7) (0) [ClusterIP, non-routable]                                                        ~
`,
    );
    expect(listingJson(lbList(maps))['10.96.0.20:80/TCP (1)']).toEqual(['10.244.1.1:8080/TCP (2) (1)']);
  });

  it('bpf lb list --frontends', () => {
    const maps = new LbMaps();
    service(maps, '10.96.0.20:80/TCP', 0, { count: 2, revNatIndex: 2 });
    service(maps, '[fd00::1]:80/TCP/i', 1, { union: 7, revNatIndex: 5, flags: 0x2062 });
    expect(marked(lbFrontends(maps))).toBe(
      `SERVICE ADDRESS          BACKEND ID
10.96.0.20:80/TCP (0)    0 2[0] (2) [0x0 0x0]     ~
[fd00::1]:80/TCP/i (1)   7 0[0] (5) [0x62 0x20]   ~
`,
    );
    service(maps, '10.96.0.20:80/TCP', 0, { union: affinityUnion(3600, Algorithm.MAGLEV), count: 2, qcount: 3 });
    expect(formatListing(lbFrontends(maps))).toContain(' 33558032 2[3] (0) [0x0 0x0] ');
  });

  it('bpf lb list --backends', () => {
    const maps = new LbMaps();
    backend(maps, 2, '10.244.1.2:80/TCP', { zone: 3 });
    backend(maps, 1, '10.244.1.1:80/TCP');
    expect(marked(lbBackends(maps, new Map([[3, 'zone-a']])))).toBe(
      `ID   BACKEND ADDRESS (REVNAT_ID) (SLOT)
1    TCP://10.244.1.1           ~
2    TCP://10.244.1.2[zone-a]   ~
`,
    );
    backend(maps, 3, '[fd00::5]:53/UDP', { zone: 4, clusterId: 9 });
    expect(lbBackends(maps).rows[2]).toEqual(['3', 'UDP://fd00::5@9[4]']);
  });

  it('bpf lb list --revnat', () => {
    const maps = new LbMaps();
    maps.v6.reverseNat.set(4, { address: parseAddress('fd00::1'), port: 80 });
    maps.v4.reverseNat.set(1, { address: parseAddress('10.96.0.1'), port: 443 });
    expect(marked(lbReverseNat(maps))).toBe(
      `ID   BACKEND ADDRESS (REVNAT_ID) (SLOT)
1    10.96.0.1:443   ~
4    [fd00::1]:80    ~
`,
    );
  });

  it('bpf lb list --source-ranges', () => {
    const maps = new LbMaps();
    maps.v4.sourceRanges.add({ revNatIndex: 1, cidr: parseCidr('192.168.2.0/24') });
    expect(marked(lbSourceRanges(maps))).toBe(
      `SOURCE RANGE (REVNAT_ID)   ~
192.168.2.0/24 (1)              ~
`,
    );
  });

  it('bpf lb maglev list and get', () => {
    const maps = new LbMaps();
    maps.v4.maglev.set(4, Uint32Array.of(2, 1, 2, 1, 1, 2));
    expect(marked(lbMaglev(maps))).toBe(
      `SVC ID   LOOKUP TABLE
[4]/v4   [2 1 2 1 1 2]   ~
`,
    );
    maps.v6.maglev.set(3, Uint32Array.of(5));
    expect(lbMaglev(maps).rows.map(([key]) => key)).toEqual(['[3]/v6', '[4]/v4']);
    expect(lbMaglev(maps, [3]).rows).toEqual([['[3]/v6', '[5]']]);
  });
});
