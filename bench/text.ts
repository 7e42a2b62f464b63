import type { Result } from './measure.ts';

/** A value of a result for people: three digits and a unit. */
export function scaled(value: number, unit: Result['unit']): string {
  if (unit === 'bytes')
    return value < 2 ** 20 ? `${(value / 1024).toPrecision(3)} KiB` : `${(value / 2 ** 20).toPrecision(3)} MiB`;
  if (unit !== 'ns/op') return `${plain(value)} ${unit === 'bytes/entry' ? 'B/entry' : unit}`;
  if (value >= 1e9) return `${(value / 1e9).toPrecision(3)} s`;
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} ms`;
  return value >= 1e4
    ? `${(value / 1e3).toPrecision(3)} us`
    : `${value >= 1e3 ? value.toFixed(0) : value.toPrecision(3)} ns`;
}

const plain = (value: number): string => (Number.isInteger(value) ? `${value}` : value.toPrecision(3));
