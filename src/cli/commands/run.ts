import {
  formatScenarios,
  scenariosJson,
  scenariosJunit,
  scenariosTap,
  type ScenarioReport,
} from '../../report/scenario.ts';
import { runScenario } from '../../scenario/index.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { validateObject } from '../../validate/index.ts';
import { hostOf, readScenarios, updateExpectations } from '../scenario.ts';

const command: Command = {
  usage: ['FILE|FOLDER... [options]'],
  description: `Runs scenario files: a cluster, a configuration, steps, and what is expected of each (docs/scenario.md). Reports like a test
runner, with the whole journey of every packet that did not do what was expected. In folders, YAML files without steps
(objects, values) are left aside.`,
  options: {
    output: {
      type: 'string',
      short: 'o',
      value: 'text|tap|junit|json',
      help: 'how to print the results (default: text)',
    },
    filter: {
      type: 'string',
      value: 'TEXT',
      help: 'only report steps whose name holds TEXT (all steps are done: later ones depend on them)',
    },
    update: { type: 'boolean', help: 'write what came into the files, in place of what was expected' },
  },
  examples: [
    ['lbtwin run examples/scenarios', 'all scenarios of a folder'],
    ['lbtwin run -o junit examples/ci > results.xml', 'results for a CI system'],
  ],
  exits: ['everything is as expected', 'something is not'],
  run(args, io) {
    const output = args.choice('output', ['text', 'tap', 'junit', 'json'] as const) ?? 'text';
    if (args.positionals.length === 0) throw usageError('no scenario is named', 'FILE|FOLDER...');
    const filter = args.string('filter') ?? '';
    const reports: ScenarioReport[] = readScenarios(args.positionals).map(({ file, scenario }) => ({
      file,
      result: runScenario(scenario, hostOf(file, io.warn, validateObject), (name) => name.includes(filter)),
    }));
    if (args.flag('update')) {
      for (const { file, result } of reports) {
        const changed = updateExpectations(file, result.cases);
        if (changed > 0) io.warn(`lbtwin: ${file}: ${changed} expectations written\n`);
      }
    }
    if (output === 'tap') io.write(scenariosTap(reports));
    else if (output === 'junit') io.write(scenariosJunit(reports));
    else if (output === 'json') io.write(`${JSON.stringify(scenariosJson(reports), undefined, 2)}\n`);
    else io.write(formatScenarios(reports, io.color));
    return reports.every(({ result }) => result.cases.every(({ ok }) => ok)) ? Exit.OK : Exit.NO;
  },
};

export default command;
