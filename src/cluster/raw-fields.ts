import { isRecord, type Raw } from '../k8s/objects/fields.ts';

/* Fields of objects as they came, for readers that pass over what is not as it should be: the control plane is the one that refuses. */

export { isRecord, type Raw };

/** A field that holds fields; none if it does not. */
export const recordOf = (parent: Raw, key: string): Raw => (isRecord(parent[key]) ? parent[key] : {});

/** A field that is a list; an empty one if it is not. */
export const listOf = (parent: Raw, key: string): readonly unknown[] => (Array.isArray(parent[key]) ? parent[key] : []);

/** The records of a list. */
export const recordsOf = (parent: Raw, key: string): Raw[] => listOf(parent, key).filter(isRecord);

/** A text; an empty one if the field holds none. */
export const textOf = (parent: Raw, key: string): string => (typeof parent[key] === 'string' ? parent[key] : '');
