import { goInt, goJoin, goText, truthy } from './go.ts';
import type { Emit } from './option.ts';

type Text = (value: unknown) => string;

/** Written whatever the value is. */
export const always = (text: Text = goText): Emit => ({
  when: 'always',
  text: (chart, helm) => text(chart.get(helm)),
});

/** Written if the values have the key. */
export const present = (text: Text = goText): Emit => ({
  when: 'key present',
  text: (chart, helm) => (chart.has(helm) ? text(chart.get(helm)) : undefined),
});

/** Written if the value is true, non-zero or non-empty; `false` therefore writes nothing. */
export const ifTruthy = (text: Text = goText): Emit => ({
  when: 'value true, non-zero or non-empty',
  text: (chart, helm) => (truthy(chart.get(helm)) ? text(chart.get(helm)) : undefined),
});

/** Written if the value is not null. */
export const notNull = (text: Text = goText): Emit => ({
  when: 'value not null',
  text: (chart, helm) =>
    chart.get(helm) === null || chart.get(helm) === undefined ? undefined : text(chart.get(helm)),
});

/** Written always, with `fallback` for an empty value. */
export const orDefault = (fallback: string): Emit => ({
  when: 'always',
  text: (chart, helm) => (truthy(chart.get(helm)) ? goText(chart.get(helm)) : fallback),
});

export const spaced: Text = (value) => goJoin(' ', value);
export const comma: Text = (value) => goJoin(',', value);
export const asInt: Text = goInt;
