import { LbtwinError } from '../errors.ts';

/** One change to a set of backends. */
export type Churn =
  /** `count` backends disappear. */
  | { readonly kind: 'remove'; readonly count: number }
  /** `count` new backends appear. */
  | { readonly kind: 'add'; readonly count: number }
  /** This share of the backends (0..1, at least one backend) is replaced by new ones. */
  | { readonly kind: 'roll'; readonly share: number }
  /** One backend's weight is multiplied by this. */
  | { readonly kind: 'reweight'; readonly factor: number };

export const CHURN_FORMS = 'remove:COUNT, add:COUNT, roll:PERCENT% or reweight:PERCENT%';

/**
 * A share: `25%`, or a fraction below one such as `0.25` (a bare `1` could be one per cent or all, so it is refused).
 * @param max the largest share, 1 unless given
 * @throws LbtwinError `invalid-share`
 */
export function parseShare(text: string, max = 1): number {
  const match = /^(\d{1,7}(?:\.\d{1,9})?)(%?)$/.exec(text);
  const bare = match?.[2] === '';
  const value = match === null ? Number.NaN : bare ? Number(match[1]) : Number(match[1]) / 100;
  if (!(value >= 0 && value <= max) || (bare && value >= 1)) {
    throw new LbtwinError('invalid-share', `${JSON.stringify(text)} is not a share`, {
      allowed: `0%..${max * 100}%, or a fraction below 1`,
    });
  }
  return value;
}

/** Some backends: a share of them, or a number. */
export type Amount = { readonly share: number } | { readonly count: number };

/** `25%` or `0.25` of the backends, or `3` of them, as a Deployment's maxSurge takes it. @throws LbtwinError `invalid-share` */
export const parseAmount = (text: string): Amount =>
  /^\d{1,6}$/.test(text) ? { count: Number(text) } : { share: parseShare(text) };

/** `remove:1`, `add:3`, `roll:10%`, `reweight:50%`. @throws LbtwinError `invalid-churn`, `invalid-share` */
export function parseChurn(text: string): Churn {
  const [, kind, value] = /^([a-z]+):(.+)$/.exec(text) ?? [];
  if (kind === 'roll') return { kind, share: parseShare(value!) };
  if (kind === 'reweight') return { kind, factor: parseShare(value!, 1000) };
  if ((kind === 'remove' || kind === 'add') && /^[1-9]\d{0,5}$/.test(value!)) return { kind, count: Number(value) };
  throw new LbtwinError('invalid-churn', `${JSON.stringify(text)} is not a change`, { allowed: CHURN_FORMS });
}

export function formatChurn(churn: Churn): string {
  const percent = (share: number): string => `${Number((share * 100).toFixed(4))}%`;
  if (churn.kind === 'roll') return `roll:${percent(churn.share)}`;
  if (churn.kind === 'reweight') return `reweight:${percent(churn.factor)}`;
  return `${churn.kind}:${churn.count}`;
}

/** How many backends a change takes away from, and adds to, `backends`. @throws LbtwinError `churn-too-large` */
export function churnCounts(churn: Churn, backends: number): { removed: number; added: number } {
  const rolled = churn.kind === 'roll' ? Math.max(1, Math.round(churn.share * backends)) : 0;
  const removed = churn.kind === 'remove' ? churn.count : rolled;
  const added = churn.kind === 'add' ? churn.count : rolled;
  if (removed > backends || backends - removed + added < 1) {
    throw new LbtwinError(
      'churn-too-large',
      `${formatChurn(churn)} of ${backends} backends ${removed > backends ? 'takes more than there are' : 'leaves none'}`,
      { allowed: backends > 1 ? `remove:1 to remove:${backends - 1}` : 'add:COUNT, as there is one backend only' },
    );
  }
  return { removed, added };
}
