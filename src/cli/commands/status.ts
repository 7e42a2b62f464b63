import { statusDetails, statusJson, statusLine } from '../../report/agent/status.ts';
import { agentOutputOption, wantsJson, writeJson } from '../agent-output.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { readInput } from '../input.ts';
import { configOptions, deviceOption, inputOptions } from '../options.ts';
import { readDevices } from '../plane.ts';

const command: Command = {
  usage: ['[-f FILE...] [--verbose] [--device NAME=IP[,IP]]... [options]'],
  description: `Prints how kube-proxy is replaced, from the configuration: the line of \`cilium-dbg status\`, and with --verbose the details, byte
for byte as the agent prints them. Devices are not told by any Kubernetes object: give them with --device.`,
  options: {
    ...inputOptions,
    ...configOptions,
    ...deviceOption,
    verbose: { type: 'boolean', help: 'the details' },
    ...agentOutputOption,
  },
  examples: [
    ['lbtwin status -f examples/shop.yaml --verbose --device eth0=192.168.10.11', 'the details of the example cluster'],
    [
      'lbtwin status --set kubeProxyReplacement=true,loadBalancer.algorithm=maglev --verbose',
      'what Helm values come to',
    ],
  ],
  exits: ['printed', '(not used)'],
  async run(args, io) {
    const devices = readDevices(args);
    const batch = args.flag('file') ? await readInput(args, io) : undefined;
    const resolved = await readConfig(args, io, batch);
    const status = { ...resolved.config, devices };
    if (wantsJson(args)) {
      writeJson(statusJson(status), io);
      return Exit.OK;
    }
    io.write(statusLine(status));
    if (args.flag('verbose')) io.write(`\n${statusDetails(status)}`);
    return Exit.OK;
  },
};

export default command;
