import { isUnspecified } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import type { SkipLbKey } from '../lb/skip-lb-map.ts';
import type { SkipRedirects } from './local-redirects.ts';
import type { MapWriter } from './map-writer.ts';
import { compareText, type ScopedAddress } from './model.ts';
import { EMPTY_LIST } from './objects/fields.ts';

/** A pod and the frontends that it reaches untranslated. */
export interface SkipRedirectRow {
  /** `namespace/name` */
  readonly pod: string;
  readonly frontends: readonly ScopedAddress[];
  /** Its network namespace; while unknown nothing is written for it. */
  readonly netnsCookie: U64 | undefined;
  /** `''` while the cookie is unknown. */
  readonly status: '' | 'Done' | 'Error';
}

/** Keeps the skip-LB maps in line with what local redirect policies ask for. */
export class SkipRedirectTable {
  readonly #cookies = new Map<string, U64>();
  #wanted: readonly SkipRedirects[] = EMPTY_LIST;
  #written = new Map<string, SkipLbKey>();
  #failed = false;

  setCookie(pod: string, cookie: U64 | undefined): void {
    if (cookie === undefined) this.#cookies.delete(pod);
    else this.#cookies.set(pod, cookie);
  }

  rows(): SkipRedirectRow[] {
    const pods = new Set([...this.#cookies.keys(), ...this.#wanted.map(({ pod }) => pod)]);
    return [...pods].sort(compareText).map((pod) => {
      const netnsCookie = this.#cookies.get(pod);
      const frontends = this.#wanted.find((one) => one.pod === pod)?.frontends ?? EMPTY_LIST;
      const status = netnsCookie === undefined ? '' : this.#failed ? 'Error' : 'Done';
      return { pod, frontends, netnsCookie, status };
    });
  }

  /** @throws MapWriteError */
  reconcile(wanted: readonly SkipRedirects[], writer: MapWriter): void {
    this.#wanted = wanted;
    const keys = new Map<string, SkipLbKey>();
    for (const { pod, frontends } of wanted) {
      const netnsCookie = this.#cookies.get(pod);
      if (netnsCookie === undefined) continue;
      for (const { address, port } of frontends) {
        if (isUnspecified(address)) continue;
        keys.set(`${netnsCookie.high}:${netnsCookie.low} ${address.words.join(':')} ${port}`, {
          netnsCookie,
          address,
          port,
        });
      }
    }
    this.#failed = true;
    for (const [text, key] of this.#written) {
      if (keys.has(text)) continue;
      writer.deleteSkipLb(key);
      this.#written.delete(text);
    }
    for (const [text, key] of keys) {
      if (this.#written.has(text)) continue;
      writer.setSkipLb(key);
      this.#written.set(text, key);
    }
    this.#failed = false;
  }
}
