import { cniSettingsOf, planCni } from '../../src/install/index.ts';
import { readConfigData, deriveDatapathConfig } from '../../src/config/index.ts';
import { conformance } from './harness.ts';

interface Case {
  name: string;
  config: Record<string, string | boolean>;
  existingFiles?: Record<string, string>;
}

/** The keys of a case's configuration; a case with another key has something that this runner does not model. */
const KEYS = [
  'cni-chaining-mode',
  'cni-chaining-target',
  'cni-exclusive',
  'cni-external-routing',
  'cni-log-file',
  'debug',
  'read-cni-conf',
];

conformance<{ cases: Case[] }, Case>(
  'cni',
  (doc) => doc.cases,
  ({ name, config, existingFiles }) => {
    const data: Record<string, string> = { 'write-cni-conf-when-ready': '/host/etc/cni/net.d/05-cilium.conflist' };
    for (const key of KEYS) data[key] = String(config[key]);
    // The recorded runs name the file to read relative to the directory; the agent knows absolute paths only.
    data['read-cni-conf'] = config['read-cni-conf'] === '' ? '' : `/dir/${config['read-cni-conf']}`;
    const { options, given, findings } = readConfigData(data, '1.18');
    const derived = deriveDatapathConfig(options, given, '1.18');
    const files = new Map(Object.entries(existingFiles ?? {}));
    const plan = planCni(cniSettingsOf(derived), files, (path) => files.get(path.replace('/dir/', '')));
    return {
      name,
      config: findings.length > 0 ? findings : Object.fromEntries(KEYS.map((key) => [key, config[key]])),
      ...(existingFiles === undefined ? {} : { existingFiles }),
      ...(plan.error === undefined ? { conflist: JSON.parse(plan.text!) as unknown } : { error: 'yes' }),
      effectiveChainingMode: plan.chainingMode,
      ...(plan.chainingTarget === '' ? {} : { effectiveChainingTarget: plan.chainingTarget }),
      ...(plan.externalRouting ? { effectiveExternalRouting: true } : {}),
      ...(plan.filesAfter.length === 0 ? {} : { filesAfter: plan.filesAfter }),
    };
  },
);
