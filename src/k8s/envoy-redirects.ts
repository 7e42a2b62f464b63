import { type Labels, matches } from './labels.ts';
import { compareText, type ProxyRedirect } from './model.ts';
import { nameOf } from './objects/fields.ts';
import type { EnvoyConfigObject, RedirectedService } from './objects/envoy-config.ts';
import type { ControlPlaneOptions } from './options.ts';
import type { Tables } from './tables.ts';

/** L7 redirects that Envoy configurations ask for (docs/control-plane.md, "Redirects to the proxy"). */
export class EnvoyRedirects {
  readonly #tables: Tables;
  readonly #options: ControlPlaneOptions;
  readonly #configs = new Map<string, EnvoyConfigObject>();
  readonly #redirected = new Set<string>();

  constructor(tables: Tables, options: ControlPlaneOptions) {
    this.#tables = tables;
    this.#options = options;
  }

  /** Configurations by name; cluster-wide ones have no namespace. */
  configs(): EnvoyConfigObject[] {
    return [...this.#configs.keys()].sort(compareText).map((name) => this.#configs.get(name)!);
  }

  set(config: EnvoyConfigObject): void {
    this.#configs.set(nameOf(config), config);
  }

  remove(name: string): void {
    this.#configs.delete(name);
  }

  /** Applies all configurations that select a node with these labels. Of several for one service, the first by name counts. */
  refresh(nodeLabels: Labels): void {
    const wanted = new Map<string, ProxyRedirect>();
    for (const config of this.configs()) {
      if (!matches(config.nodeSelector, nodeLabels)) continue;
      for (const service of config.services) {
        const redirect = this.#redirectOf(config, service);
        if (redirect !== undefined && !wanted.has(service.service)) wanted.set(service.service, redirect);
      }
    }
    for (const name of this.#redirected) {
      if (wanted.has(name)) continue;
      this.#tables.setProxyRedirect(name, undefined);
      this.#redirected.delete(name);
    }
    for (const [name, redirect] of wanted) {
      const known = this.#tables.entry(name)?.proxyRedirect;
      if (known?.port === redirect.port && known.ports.join() === redirect.ports.join()) continue;
      this.#tables.setProxyRedirect(name, redirect);
      this.#redirected.add(name);
    }
  }

  /** Proxy port of the listener named, or of the configuration's first; none when the configuration has no such listener. */
  #redirectOf(config: EnvoyConfigObject, { listener, ports }: RedirectedService): ProxyRedirect | undefined {
    const name = listener === '' ? config.listeners[0] : config.listeners.find((one) => one === listener);
    if (name === undefined) return undefined;
    return { port: this.#options.proxyPort(`${nameOf(config)}/${name}`), ports };
  }
}
