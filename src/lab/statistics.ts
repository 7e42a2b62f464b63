/** Statistics of repeated trials. Intervals hold with 95 % confidence. */

export interface Summary {
  readonly trials: number;
  readonly mean: number;
  /** Student's interval of the mean; `undefined` with fewer than two trials. */
  readonly meanInterval: readonly [number, number] | undefined;
  readonly standardDeviation: number;
  readonly p50: number;
  readonly p99: number;
  /** Of the 99th percentile, from the ranks of the trials alone; the upper end is `undefined` while there are too few for one. */
  readonly p99Interval: readonly [number, number | undefined];
  readonly max: number;
  /** At most this share of all possible trials is worse than the worst seen. */
  readonly beyondMax: number;
}

/** The value that a share `q` of the ascending `sorted` is at or below (nearest rank). */
export const quantile = (sorted: ArrayLike<number>, q: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))]!;

/** Summarises at least one trial. */
export function summarize(values: ArrayLike<number>): Summary {
  const n = values.length;
  const sorted = Float64Array.from(values).sort();
  let mean = 0;
  for (const value of sorted) mean += value / n;
  let squares = 0;
  for (const value of sorted) squares += (value - mean) ** 2;
  const deviation = n > 1 ? Math.sqrt(squares / (n - 1)) : 0;
  const half = n > 1 ? (studentQuantile(n - 1) * deviation) / Math.sqrt(n) : 0;
  const [low, high] = quantileRanks(n, 0.99);
  return {
    trials: n,
    mean,
    meanInterval: n > 1 ? [mean - half, mean + half] : undefined,
    standardDeviation: deviation,
    p50: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
    p99Interval: [sorted[Math.max(0, low)]!, high >= n ? undefined : sorted[high]!],
    max: sorted[n - 1]!,
    beyondMax: 1 - 0.05 ** (1 / n),
  };
}

/**
 * Which ascending ranks (from 0) enclose the `q` quantile in 95 % of samples of `n`, by the binomial distribution; a rank of
 * `n` or more means that the sample is too small to bound it from above, -1 from below.
 */
export function quantileRanks(n: number, q: number): readonly [number, number] {
  let cumulated = 0;
  let low = -1;
  let high = n;
  for (let k = 0; k <= n; k++) {
    cumulated += binomialTerm(n, k, q);
    if (cumulated <= 0.025) low = k;
    if (cumulated >= 0.975) {
      high = k;
      break;
    }
  }
  return [low, high];
}

const binomialTerm = (n: number, k: number, p: number): number =>
  Math.exp(logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1) + k * Math.log(p) + (n - k) * Math.log1p(-p));

/** P(X >= k) for X binomial(n, p), 0 < p < 1. */
export function binomialTail(n: number, k: number, p: number): number {
  let tail = 0;
  for (let i = k; i <= n; i++) tail += binomialTerm(n, i, p);
  return Math.min(1, tail);
}

/** The 97.5 % quantile of Student's distribution (expansion around the normal one; within 1 % from 3 degrees of freedom on). */
export function studentQuantile(degrees: number): number {
  if (degrees === 1) return 12.7062;
  if (degrees === 2) return 4.3027;
  const z = 1.959964;
  const [z3, z5, z7] = [z ** 3, z ** 5, z ** 7];
  return (
    z +
    (z3 + z) / (4 * degrees) +
    (5 * z5 + 16 * z3 + 3 * z) / (96 * degrees ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * degrees ** 3)
  );
}

/** Lanczos' approximation, 15 digits, for x > 0. */
export function logGamma(x: number): number {
  const coefficients = [
    676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
    -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  let sum = 0.99999999999980993;
  coefficients.forEach((coefficient, i) => (sum += coefficient / (y + i + 1)));
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** P(X >= value) for a chi-square distribution: how often an even spread looks at least this uneven by chance. */
export function chiSquareTail(value: number, degrees: number): number {
  if (degrees <= 0 || value <= 0) return 1;
  const [a, x] = [degrees / 2, value / 2];
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; term > sum * 1e-16; n++) sum += term *= x / (a + n);
    return Math.max(0, 1 - sum * scale);
  }
  // Lentz's continued fraction for the upper incomplete gamma function.
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 10_000; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (Math.abs(an * d + b) < tiny ? tiny : an * d + b);
    c = Math.abs(b + an / c) < tiny ? tiny : b + an / c;
    const factor = d * c;
    h *= factor;
    if (Math.abs(factor - 1) < 1e-15) break;
  }
  return Math.min(1, h * scale);
}
