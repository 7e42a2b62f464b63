import type { Command } from './command.ts';

/*
 * How to add a command
 *  1. Write `commands/<name with dashes>.ts`: `const command: Command = { usage, description, options, examples, exits, run };
 *     export default command;` (see command.ts; `select.ts` is a full example). Keep it thin: read the options, call the
 *     library, print with `src/report`, return `Exit.OK` or `Exit.NO`; throw `LbtwinError` (or `usageError`) for bad input.
 *  2. Take the shared options by spreading them: `...inputOptions`, `...configOptions`, `...outputOption` (options.ts). Read
 *     the objects with `readInput(args, io)` (input.ts) and the configuration with `readConfig(args, io, batch)` (config.ts).
 *  3. Add one line to `COMMANDS` below. The summary stands here, so that `lbtwin --help` loads no command at all.
 *  4. Test it in-process: `runCli(['select', ...])` of test/cli/run-cli.ts gives exit code, stdout and stderr.
 */

export interface CommandEntry {
  readonly group: 'Ask' | "Show, in the agent's formats" | 'Compare and check' | 'Plan and measure';
  readonly summary: string;
  readonly load: () => Promise<{ readonly default: Command }>;
}

/** Every command by its words; several words make a subcommand. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  select: {
    group: 'Ask',
    summary: 'which backend does a flow reach, and why',
    load: () => import('./commands/select.ts'),
  },
  who: {
    group: 'Ask',
    summary: 'which frontends, client ports and table slots reach a backend',
    load: () => import('./commands/who.ts'),
  },
  run: {
    group: 'Compare and check',
    summary: 'run scenario files and compare with what they expect',
    load: () => import('./commands/run.ts'),
  },
  trace: {
    group: 'Ask',
    summary: "a packet's whole way through the cluster, and its answer's",
    load: () => import('./commands/trace.ts'),
  },
  connect: {
    group: 'Ask',
    summary: "what does an application's connect() or sendto() reach",
    load: () => import('./commands/connect.ts'),
  },
  matrix: {
    group: 'Ask',
    summary: 'who reaches a service how: clients, frontends, nodes, backends, source addresses',
    load: () => import('./commands/matrix.ts'),
  },
  hubble: {
    group: 'Compare and check',
    summary: "Hubble's flows with their services, held against the objects",
    load: () => import('./commands/hubble.ts'),
  },
  mtu: {
    group: 'Ask',
    summary: 'what each way of forwarding adds to a packet, and what still fits',
    load: () => import('./commands/mtu.ts'),
  },
  'service list': {
    group: "Show, in the agent's formats",
    summary: "a node's services with their ids and backends, as `cilium-dbg service list`",
    load: () => import('./commands/service-list.ts'),
  },
  'bpf lb list': {
    group: "Show, in the agent's formats",
    summary: "a node's load-balancing maps, as `cilium-dbg bpf lb list`",
    load: () => import('./commands/bpf-lb-list.ts'),
  },
  'bpf lb check': {
    group: 'Compare and check',
    summary: "a node's live `bpf lb list` against the objects: stale and missing entries",
    load: () => import('./commands/bpf-lb-check.ts'),
  },
  'bpf lb maglev get': {
    group: "Show, in the agent's formats",
    summary: 'the Maglev table of one service, in full or in short',
    load: () => import('./commands/bpf-lb-maglev-get.ts'),
  },
  'bpf lb maglev list': {
    group: "Show, in the agent's formats",
    summary: 'the Maglev tables of all services, in full or in short',
    load: () => import('./commands/bpf-lb-maglev-list.ts'),
  },
  status: {
    group: "Show, in the agent's formats",
    summary: 'what replaces kube-proxy and how, as `cilium-dbg status --verbose`',
    load: () => import('./commands/status.ts'),
  },
  diff: {
    group: 'Compare and check',
    summary: 'two states of a cluster: what changes on which node, and which flows move',
    load: () => import('./commands/diff.ts'),
  },
  lint: {
    group: 'Compare and check',
    summary: 'what the objects imply that their owner should know',
    load: () => import('./commands/lint.ts'),
  },
  'bpf lb usage': {
    group: 'Plan and measure',
    summary: "what objects take of a node's load-balancing maps and service ids",
    load: () => import('./commands/bpf-lb-usage.ts'),
  },
  'snat plan': {
    group: 'Plan and measure',
    summary: 'how many flows to one destination a node can translate',
    load: () => import('./commands/snat-plan.ts'),
  },
  'snat usage': {
    group: 'Plan and measure',
    summary: 'how close a node is to running out of SNAT ports, from its `bpf nat list`',
    load: () => import('./commands/snat-usage.ts'),
  },
  'ct plan': {
    group: 'Plan and measure',
    summary: 'how full the conntrack and NAT maps get',
    load: () => import('./commands/ct-plan.ts'),
  },
  churn: {
    group: 'Plan and measure',
    summary: 'which live connections a change of backends moves, by algorithm',
    load: () => import('./commands/churn.ts'),
  },
  'maglev plan': {
    group: 'Plan and measure',
    summary: 'which Maglev table size: balance, needless moves, memory',
    load: () => import('./commands/maglev-plan.ts'),
  },
  spread: {
    group: 'Plan and measure',
    summary: 'why load is uneven: connections replayed through Maglev, random and least connections',
    load: () => import('./commands/spread.ts'),
  },
  'config explain': {
    group: 'Compare and check',
    summary: 'a setting: its names, defaults, effect, and what is refused',
    load: () => import('./commands/config-explain.ts'),
  },
  'config render': {
    group: 'Compare and check',
    summary: 'the ConfigMap that Helm values give',
    load: () => import('./commands/config-render.ts'),
  },
  'config diff': {
    group: 'Compare and check',
    summary: 'what changes for traffic between two configurations',
    load: () => import('./commands/config-diff.ts'),
  },
  kernel: {
    group: 'Compare and check',
    summary: 'whether a kernel is enough for a configuration',
    load: () => import('./commands/kernel.ts'),
  },
  validate: {
    group: 'Compare and check',
    summary: 'objects, values and units: what API server and agent say',
    load: () => import('./commands/validate.ts'),
  },
  'cni render': {
    group: 'Compare and check',
    summary: 'the CNI configuration that the agent writes',
    load: () => import('./commands/cni-render.ts'),
  },
  'mount-unit': {
    group: 'Compare and check',
    summary: 'a mount unit for the BPF file system',
    load: () => import('./commands/mount-unit.ts'),
  },
  'mount-unit check': {
    group: 'Compare and check',
    summary: 'a mount unit, as systemd treats it',
    load: () => import('./commands/mount-unit-check.ts'),
  },
  migrate: {
    group: 'Compare and check',
    summary: 'what changes for whom when kube-proxy is replaced',
    load: () => import('./commands/migrate.ts'),
  },
  'install plan': {
    group: 'Compare and check',
    summary: 'the steps to a cluster without kube-proxy',
    load: () => import('./commands/install-plan.ts'),
  },
  'install check': {
    group: 'Compare and check',
    summary: 'what a node says after the installation',
    load: () => import('./commands/install-check.ts'),
  },
  'policy check': {
    group: 'Ask',
    summary: 'does network policy let a connection through, and which rule decides',
    load: () => import('./commands/policy-check.ts'),
  },
  'policy matrix': {
    group: 'Ask',
    summary: 'who reaches whom under network policy, port by port',
    load: () => import('./commands/policy-matrix.ts'),
  },
  'policy map': {
    group: "Show, in the agent's formats",
    summary: 'the policy map of a pod or node',
    load: () => import('./commands/policy-map.ts'),
  },
  'policy diff': {
    group: 'Compare and check',
    summary: 'what connectivity a change of policies adds and removes',
    load: () => import('./commands/policy-diff.ts'),
  },
  'policy lint': {
    group: 'Compare and check',
    summary: 'policies that do not do what they seem to',
    load: () => import('./commands/policy-lint.ts'),
  },
};
