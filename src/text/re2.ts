import { RE2JS } from 're2js';

const COMPILED = new Map<string, RE2JS | undefined>();
const MAX_CACHED = 1000;

/**
 * Go's regular expressions (RE2): what the agent and the API server compile. They differ from JavaScript's in what is well-formed,
 * and take time linear in the text: some patterns of Kubernetes schemas would take exponential time in JavaScript.
 */
function compile(pattern: string): RE2JS | undefined {
  if (COMPILED.has(pattern)) return COMPILED.get(pattern);
  let compiled: RE2JS | undefined;
  try {
    compiled = RE2JS.compile(pattern);
  } catch {
    compiled = undefined;
  }
  if (COMPILED.size >= MAX_CACHED) COMPILED.clear();
  COMPILED.set(pattern, compiled);
  return compiled;
}

/** True if Go's `regexp.Compile` takes the pattern. */
export const isRe2 = (pattern: string): boolean => compile(pattern) !== undefined;

/** True if the pattern matches anywhere in the text; undefined if it is no pattern. */
export const findsRe2 = (pattern: string, text: string): boolean | undefined => compile(pattern)?.matcher(text).find();
