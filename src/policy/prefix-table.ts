import { type Cidr, type Family, type IpAddress, maskCidr } from '../net/index.ts';

const keyOf = (words: readonly number[]): string => words.join(' ');

/** Longest-prefix match from addresses of both families to values: the ipcache of policy questions. */
export class PrefixTable<T> {
  readonly #byFamily: Readonly<Record<Family, Map<number, Map<string, { cidr: Cidr; value: T }>>>> = {
    4: new Map(),
    6: new Map(),
  };

  set(cidr: Cidr, value: T): void {
    const masked = maskCidr(cidr);
    const lengths = this.#byFamily[cidr.address.family];
    let prefixes = lengths.get(cidr.bits);
    if (prefixes === undefined) lengths.set(cidr.bits, (prefixes = new Map()));
    prefixes.set(keyOf(masked.address.words), { cidr: masked, value });
  }

  get(cidr: Cidr): T | undefined {
    const prefixes = this.#byFamily[cidr.address.family].get(cidr.bits);
    return prefixes?.get(keyOf(maskCidr(cidr).address.words))?.value;
  }

  delete(cidr: Cidr): boolean {
    const prefixes = this.#byFamily[cidr.address.family].get(cidr.bits);
    return prefixes?.delete(keyOf(maskCidr(cidr).address.words)) ?? false;
  }

  /** Values of all prefixes that hold the address, the longest prefix first; of `bits` or fewer when given. */
  covering(address: IpAddress, bits: number = address.family === 4 ? 32 : 128): { cidr: Cidr; value: T }[] {
    const lengths = this.#byFamily[address.family];
    const found: { cidr: Cidr; value: T }[] = [];
    for (const length of [...lengths.keys()].sort((a, b) => b - a)) {
      if (length > bits) continue;
      const key = keyOf(maskCidr({ address, bits: length }).address.words);
      const entry = lengths.get(length)!.get(key);
      if (entry !== undefined) found.push(entry);
    }
    return found;
  }

  /** Value of the longest prefix that holds the address. */
  lookup(address: IpAddress): T | undefined {
    return this.covering(address)[0]?.value;
  }
}
