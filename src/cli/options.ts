import type { OptionSpecs } from './args.ts';

/** Where the cluster comes from; read with `readInput()`. */
export const inputOptions: OptionSpecs = {
  file: {
    type: 'string',
    short: 'f',
    rest: true,
    value: 'FILE...',
    help: 'Kubernetes objects (YAML or JSON, `kubectl get … -o yaml`); folders are read in full, - is standard input',
  },
  strict: {
    type: 'boolean',
    help: 'refuse everything if one object is broken (otherwise the object is reported and the rest is read)',
  },
};

/** Text for people or JSON for programs. */
export const outputOption: OptionSpecs = {
  output: { type: 'string', short: 'o', value: 'text|json', help: 'how to print the answer (default: text)' },
};
