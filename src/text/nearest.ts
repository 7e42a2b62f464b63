/** Edit distance of two short texts; two neighbours that changed places count once. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Infinity;
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, substituted, swapped));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}

/** Those of `known` that `text` may have been meant to be, best first, at most `limit`. */
export function nearest(text: string, known: Iterable<string>, limit = 3): string[] {
  const wanted = text.toLowerCase();
  const scored: [score: number, name: string][] = [];
  for (const name of known) {
    const lower = name.toLowerCase();
    const part = wanted.length >= 3 && (lower.includes(wanted) || wanted.includes(lower));
    const score = part ? 0.5 : distance(wanted, lower);
    if (score <= Math.max(1, Math.floor(wanted.length / 3))) scored.push([score, name]);
  }
  return scored
    .sort((a, b) => a[0] - b[0])
    .slice(0, limit)
    .map(([, name]) => name);
}

/** The end of a message about an unknown name: `; did you mean a or b?`, or nothing if no known one is near. */
export function didYouMean(near: readonly string[]): string {
  return near.length > 0 ? `; did you mean ${near.join(' or ')}?` : '';
}
