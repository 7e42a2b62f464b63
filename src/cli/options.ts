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

/** Which configuration the answer is for; read with `readConfig()`. */
export const configOptions: OptionSpecs = {
  config: {
    type: 'string',
    value: 'FILE',
    help: 'the cilium-config ConfigMap (YAML or JSON); without it one among the objects counts, else the Helm defaults plus kubeProxyReplacement=true',
  },
  values: {
    type: 'string',
    multiple: true,
    value: 'FILE',
    help: 'Helm values of the Cilium chart; may be repeated, later ones win, and explicit values win over a ConfigMap',
  },
  set: { type: 'string', multiple: true, value: 'KEY=VALUE', help: 'a Helm value, as `helm --set` takes it' },
  'set-string': { type: 'string', multiple: true, value: 'KEY=TEXT', help: 'a Helm value that is text' },
  'set-json': { type: 'string', multiple: true, value: 'KEY=JSON', help: 'a Helm value in JSON' },
  profile: { type: 'string', value: '1.18|1.17', help: 'the line of Cilium releases (default: 1.18)' },
};

/** The same for commands that look at settings alone: several files may follow `--values`. Read with `readSettings()`. */
export const settingsOptions: OptionSpecs = {
  ...configOptions,
  values: { type: 'string', rest: true, value: 'FILE...', help: 'Helm values of the Cilium chart; later ones win' },
  config: { type: 'string', value: 'FILE', help: 'a cilium-config ConfigMap; explicit values win over it' },
};

/** Whose maps: for commands that show one node. */
export const nodeOption: OptionSpecs = {
  node: { type: 'string', value: 'NAME', help: 'the node whose agent is asked' },
};

export const deviceOption: OptionSpecs = {
  device: {
    type: 'string',
    multiple: true,
    value: 'NAME=IP[,IP]',
    help: 'a network device of the node and its addresses, as no Kubernetes object tells them; the first one is that of direct routing',
  },
};

/** Options of commands that show the maps of one node; read with `readPlane()` (plane.ts). */
export const planeOptions: OptionSpecs = {
  ...inputOptions,
  ...nodeOption,
  ...configOptions,
  ...deviceOption,
  'ids-from': {
    type: 'string',
    value: 'FILE',
    help: "adopt the live service ids from a pasted `bpf lb list` or `service list` (otherwise ids are a fresh agent's)",
  },
};

/** Text for people or JSON for programs. */
export const outputOption: OptionSpecs = {
  output: { type: 'string', short: 'o', value: 'text|json', help: 'how to print the answer (default: text)' },
};
