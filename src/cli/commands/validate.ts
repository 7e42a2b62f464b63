import { formatFindings, FINDING_FORMATS } from '../../report/findings.ts';
import { policyOptionsOf, schemasOfCrds, validateFile } from '../../validate/index.ts';
import { readYaml } from '../../yaml/index.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { expandFolder, readText } from '../files.ts';
import type { Io } from '../io.ts';
import { version } from '../package.ts';
import { configOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

/** The schemas of `--crd`, which may be given several times. */
async function readCrds(files: readonly string[], io: Io): Promise<ReturnType<typeof schemasOfCrds>> {
  const schemas: ReturnType<typeof schemasOfCrds> = new Map();
  for (const file of files) {
    for (const { value } of readYaml(await readText(file, io))) {
      for (const [kind, schema] of schemasOfCrds(value)) schemas.set(kind, schema);
    }
  }
  return schemas;
}

const command: Command = {
  usage: ['FILE|FOLDER... [--crd FILE]... [--strict] [-o text|json|sarif|github] [--values FILE...] [--config FILE]'],
  description: `Validates what is about to be applied: Kubernetes and Cilium objects (what the API server's schema says, and what the agent says after
the object is stored), Helm values, a cilium-config ConfigMap, mount units (*.mount), scalars that YAML 1.1 reads
otherwise, and widespread misprints in any text. Each finding has file, line and column.`,
  options: {
    crd: {
      type: 'string',
      multiple: true,
      value: 'FILE',
      help: "schemas of your own cluster (kubectl get crd ciliumnetworkpolicies.cilium.io -o json) in place of 1.18's",
    },
    strict: { type: 'boolean', help: 'unknown fields are errors' },
    output: {
      type: 'string',
      short: 'o',
      value: 'text|json|sarif|github',
      help: 'how to print the findings (default: text)',
    },
    ...configOptions,
  },
  examples: [
    ['lbtwin validate policies/ values.yaml', 'a folder and a file'],
    ['lbtwin validate -o github manifests/', 'annotations in a workflow of GitHub'],
  ],
  exits: ['no errors', 'errors were found'],
  async run(args, io) {
    if (args.positionals.length === 0) throw usageError('no file is named', 'FILE or FOLDER, - for standard input');
    const format = args.choice('output', FINDING_FORMATS) ?? 'text';
    const { resolved, profile } = await readSettings(args, io);
    const schemas = await readCrds(args.strings('crd'), io);
    const options = { profile, schemas, strict: args.flag('strict'), policy: policyOptionsOf(resolved.config) };
    const reports = [];
    for (const file of args.positionals.flatMap(expandFolder)) {
      reports.push(validateFile(file, await readText(file, io), options));
    }
    io.write(formatFindings(reports, format, version()));
    const failed = reports.some(({ findings }) => findings.some(({ severity }) => severity === 'error'));
    return failed ? Exit.NO : Exit.OK;
  },
};

export default command;
