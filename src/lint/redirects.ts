import { matches } from '../k8s/labels.ts';
import type { EnvoyConfigObject } from '../k8s/objects/envoy-config.ts';
import { nameOf, type ObjectRef } from '../k8s/objects/fields.ts';
import type { LocalRedirectPolicyObject } from '../k8s/objects/local-redirect.ts';
import type { KnownObject } from '../k8s/objects/read.ts';
import { differs } from '../k8s/profile.ts';
import { listed, type Report } from './finding.ts';
import type { Cluster } from './objects.ts';

const refOf = ({ kind, namespace, name }: ObjectRef): ObjectRef => ({ kind, namespace, name });

/** Rules about objects that send a service's traffic elsewhere: local redirect policies and Envoy configurations. */
export function lintRedirects(objects: readonly KnownObject[], cluster: Cluster, report: Report): void {
  for (const object of objects) {
    if (object.kind === 'CiliumLocalRedirectPolicy') lintLocalRedirect(object, cluster, report);
    else if (object.kind === 'CiliumEnvoyConfig' || object.kind === 'CiliumClusterwideEnvoyConfig') {
      lintEnvoy(object, cluster, report);
    }
  }
}

function withoutOption(object: ObjectRef, option: string, value: string, report: Report): void {
  const message = `has no effect: ${option} is off (${value}=true)`;
  report('object-without-option', 'warning', refOf(object), ['spec'], message);
}

function lintLocalRedirect(policy: LocalRedirectPolicyObject, cluster: Cluster, report: Report): void {
  const { services, pods, nodes, options } = cluster;
  if (!options.localRedirectPolicy) {
    withoutOption(policy, 'enable-local-redirect-policy', 'localRedirectPolicy', report);
    return;
  }
  if (policy.service !== '' && !services.some((service) => nameOf(service) === policy.service)) {
    const message = `there is no Service ${policy.service}: nothing is redirected`;
    report('redirect-of-nothing', 'warning', refOf(policy), ['spec', 'redirectFrontend'], message);
    return;
  }
  // Without Pods nothing is known of where the policy's are; the older control plane leaves the service alone then.
  if (pods.length === 0 || differs(options.profile, 'local-redirects')) return;
  const here = new Set(
    pods
      .filter(
        ({ namespace, phase, labels }) =>
          namespace === policy.namespace && phase === 'Running' && matches(policy.podSelector, labels),
      )
      .map(({ nodeName }) => nodeName),
  );
  const without = nodes
    .map(({ name }) => name)
    .filter((name) => !here.has(name))
    .sort();
  if (without.length === 0) return;
  const message = `what is redirected has no backend on ${listed(without)}: no pod of the policy runs there, and nothing falls back to the service`;
  report('redirect-to-nobody', 'warning', refOf(policy), ['spec', 'redirectBackend'], message, without);
}

function lintEnvoy(config: EnvoyConfigObject, { services, options }: Cluster, report: Report): void {
  if (!options.envoyConfig) {
    withoutOption(config, 'enable-envoy-config', 'envoyConfig.enabled', report);
    return;
  }
  config.services.forEach(({ service, listener }, i) => {
    const known = listener === '' ? config.listeners.length > 0 : config.listeners.includes(listener);
    const missing = !known
      ? `${listener === '' ? 'no listener is' : `no listener ${JSON.stringify(listener)} is`} among the resources`
      : services.some((one) => nameOf(one) === service)
        ? undefined
        : `there is no Service ${service}`;
    if (missing === undefined) return;
    const message = `${missing}: nothing is redirected`;
    report('redirect-of-nothing', 'warning', refOf(config), ['spec', 'services', i], message);
  });
}
