import {
  type DatapathInput,
  type Family,
  FibResult,
  Node,
  NodeTables,
  parseAddress,
  parseCidr,
  parseMac,
  Protocol,
  Scope,
  ServiceFlag,
} from '../../../src/index.ts';

export interface TestNode {
  readonly options?: DatapathInput;
  readonly neighbours?: number;
  /** The same node each time, which is wrong. */
  readonly same?: boolean;
}

export const NAMES = {
  4: { node: '10.0.0.1', frontend: '192.0.2.', client: '203.0.113.', backend: '10.2.0.', all: '0.0.0.0/0' },
  6: { node: 'fd00::1', frontend: '2001:db8::', client: '2001:db8:1::', backend: 'fd02::', all: '::/0' },
} as const;

export const SERVICES = ['maglev', 'random', 'sticky'] as const;
const BACKENDS = 6;

function fill(node: Node, family: Family): void {
  const names = NAMES[family];
  const maps = node.lb.of(family);
  for (let id = 1; id <= 3 * BACKENDS; id++) {
    const address = parseAddress(`${names.backend}${id}`);
    maps.backends.set(id, { address, port: 8080, protocol: Protocol.TCP, state: 0, clusterId: 0, zone: 0 });
  }
  SERVICES.forEach((kind, s) => {
    for (const protocol of [Protocol.TCP, Protocol.UDP]) {
      const key = { address: parseAddress(`${names.frontend}${s + 1}`), port: 80, protocol, scope: Scope.EXTERNAL };
      const revNatIndex = 2 * s + (protocol === Protocol.TCP ? 1 : 2);
      const ids = Array.from({ length: BACKENDS }, (_, i) => s * BACKENDS + i + 1);
      ids.forEach((union, i) =>
        maps.services.set({ ...key, slot: i + 1 }, { union, count: 0, revNatIndex, flags: 0, qcount: 0 }),
      );
      const algorithm = kind === 'random' ? 1 : 2;
      const sticky = kind === 'sticky' ? ServiceFlag.AFFINITY : 0;
      maps.services.set(
        { ...key, slot: 0 },
        {
          union: (algorithm << 24) | 60,
          count: BACKENDS,
          revNatIndex,
          flags: ServiceFlag.LOAD_BALANCER | ServiceFlag.ROUTABLE | sticky,
          qcount: 0,
        },
      );
      maps.reverseNat.set(revNatIndex, { address: key.address, port: 80 });
      maps.maglev.set(
        revNatIndex,
        Uint32Array.from({ length: 251 }, (_, i) => ids[i % BACKENDS]!),
      );
      for (const backendId of ids) node.lb.affinityMatch.set({ revNatIndex, backendId }, true);
    }
  });
  const mac = parseMac('02:00:00:00:00:01');
  const route = { result: FibResult.SUCCESS, ifindex: 2, dmac: mac, smac: mac };
  node.tables.of(family).routes.set(parseCidr(names.all), route);
}

let kept: Node | undefined;

/** A node for both families, with a Maglev, a random and a sticky service of six remote backends each. */
export default function makeNode({ same = false, ...rest }: TestNode = {}): Node {
  if (same) return (kept ??= makeNode(rest));
  const { options, neighbours } = rest;
  const node = new Node({
    options: { algorithmAnnotation: true, ...options },
    addresses: {
      ipv4: parseAddress(NAMES[4].node),
      ipv6: parseAddress(NAMES[6].node),
      mac: parseMac('02:00:00:00:00:02'),
      ifindex: 2,
    },
    ...(neighbours === undefined ? {} : { tables: new NodeTables({ neighbours }) }),
  });
  fill(node, 4);
  fill(node, 6);
  return node;
}
