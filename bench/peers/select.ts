import ConsistentHash from 'consistent-hash';
import HashRing from 'hashring';
import { defineService, packTuples, selectBackend, selectBackends } from '../../src/lb/index.ts';
import { formatAddress } from '../../src/net/index.ts';
import { type Benchmark, lazy, seeded } from '../measure.ts';

/*
 * From a client to a server: what npm offers for it, and a Map that remembers every client. Packages take text: they get it ready-made, for free.
 * Each places clients in its own way, so the work is the same in that every client gets one of the same servers, always the same one, all servers
 * are used, and when a server goes the clients of the others stay.
 */

const SERVERS = 100;
const CLIENTS = 65_536;
/** Points of each server on the rings; hashring's own number. */
const POINTS = 160;

interface Client {
  readonly protocol: 6;
  readonly saddr: number;
  readonly sport: number;
  readonly daddr: number;
  readonly dport: number;
}

/** Answers which server (`ip:port`) a client gets. */
type Choice = (client: number) => string;

interface Inputs {
  readonly clients: readonly Client[];
  /** `203.0.113.7:40000` */
  readonly keys: readonly string[];
  readonly servers: readonly string[];
}

const inputs = lazy((): Inputs => {
  const random = seeded(1);
  const clients = Array.from({ length: CLIENTS }, (): Client => {
    return { protocol: 6, saddr: random(), sport: 1024 + (random() % 60_000), daddr: 0xcb00710a, dport: 443 };
  });
  return {
    clients,
    keys: clients.map(({ saddr, sport }) => `${formatAddress({ family: 4, words: [saddr] })}:${sport}`),
    servers: Array.from({ length: SERVERS }, (_, i) => `10.1.0.${i + 1}:8443`),
  };
});

function serviceOf(servers: readonly string[]): ReturnType<typeof defineService> {
  const backends = servers.map((server) => ({ address: server.slice(0, -5), port: 8443 }));
  return defineService({ frontend: '203.0.113.10:443/TCP', type: 'LoadBalancer', algorithm: 'maglev', backends });
}

function twin(servers: readonly string[], { clients }: Inputs): Choice {
  const service = serviceOf(servers);
  return (client) => servers[selectBackend(service, clients[client]!)!.id - 1]!;
}

/** `remember`: its cache of answers holds all clients. */
function hashRing(servers: readonly string[], { keys }: Inputs, remember = false): Choice {
  const ring = new HashRing([...servers], 'md5', remember ? { 'max cache size': CLIENTS } : {});
  return (client) => ring.get(keys[client]!);
}

function consistentHash(servers: readonly string[], { keys }: Inputs): Choice {
  const ring = new ConsistentHash();
  // Left alone it draws its points by Math.random: each server is given its own instead, the same in every run.
  for (const server of servers) {
    const random = seeded(Number(server.split('.')[3]!.split(':')[0]));
    ring.add(
      server,
      POINTS,
      Array.from({ length: POINTS }, () => random() % 100_003),
    );
  }
  return (client) => ring.get(keys[client]!);
}

/** A Map of what the twin answered. */
function remembered(servers: readonly string[], all: Inputs): Choice {
  const choose = twin(servers, all);
  const cache = new Map(all.keys.map((key, client) => [key, choose(client)]));
  return (client) => cache.get(all.keys[client]!)!;
}

/** @param moved share of the other servers' clients that may move when one goes */
function checkWork(
  name: string,
  make: (servers: readonly string[], all: Inputs) => Choice,
  all: Inputs,
  moved: number,
): void {
  const [choose, again, without] = [
    make(all.servers, all),
    make(all.servers, all),
    make(all.servers.slice(0, -1), all),
  ];
  const gone = all.servers.at(-1);
  const used = new Set<string>();
  let stayed = 0;
  let others = 0;
  for (let client = 0; client < CLIENTS; client++) {
    const server = choose(client);
    used.add(server);
    if (again(client) !== server) throw new Error(`${name}: client ${client} has two servers`);
    if (server === gone) continue;
    others++;
    if (without(client) === server) stayed++;
  }
  if (used.size !== SERVERS || !all.servers.every((server) => used.has(server))) {
    throw new Error(`${name}: ${used.size} servers are used`);
  }
  if (1 - stayed / others > moved) throw new Error(`${name}: ${others - stayed} of ${others} clients moved`);
}

function benchmark(
  who: string,
  make: (servers: readonly string[], all: Inputs) => Choice,
  moved = 0,
  samples = 15,
): Benchmark {
  const name = `peers.select.${who}`;
  const choice = lazy(() => {
    const all = inputs();
    checkWork(name, make, all, moved);
    return make(all.servers, all);
  });
  return {
    name,
    operations: CLIENTS,
    samples,
    run: () => {
      const choose = choice();
      let sum = 0;
      for (let client = 0; client < CLIENTS; client++) sum += choose(client).length;
      return sum;
    },
  };
}

/** The same clients in columns; ids of the backends in a column. */
function batch(): Benchmark {
  const prepared = lazy(() => {
    const { clients, servers } = inputs();
    return { service: serviceOf(servers), columns: packTuples(4, clients), out: new Uint32Array(CLIENTS) };
  });
  return {
    name: 'peers.select.lbtwin.batch',
    operations: CLIENTS,
    run: () => {
      const { service, columns, out } = prepared();
      selectBackends(service, columns, out);
      return out[CLIENTS - 1]!;
    },
  };
}

/** Maglev moves a few more than it has to: docs/maglev.md has how many. */
const MAGLEV_MOVES = 0.03;

export const selectPeers = (): Benchmark[] => [
  benchmark('lbtwin', twin, MAGLEV_MOVES),
  batch(),
  benchmark('map', remembered, MAGLEV_MOVES),
  benchmark('consistent-hash', consistentHash),
  benchmark('hashring', hashRing),
  benchmark('hashring.remembered', (servers, all) => hashRing(servers, all, true)),
];
