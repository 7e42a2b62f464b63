import type { Schema } from '../schema.ts';

export const text: Schema = { type: 'string' };
export const yes: Schema = { type: 'boolean' };
export const whole: Schema = { type: 'integer' };
export const anything: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
export const texts: Schema = { type: 'object', additionalProperties: text };

export const list = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more });

export const object = (
  properties: Record<string, Schema>,
  required?: readonly string[],
  more: Schema = {},
): Schema => ({ type: 'object', properties, ...(required === undefined ? {} : { required }), ...more });

export const oneOf = (...values: string[]): Schema => ({ type: 'string', enum: values });

/** Alternatives that differ in which key they need. */
export const needing = (...keys: string[]): Schema[] =>
  keys.map((key) => ({ properties: { [key]: {} }, required: [key] }));
