import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

export interface TestFiles {
  /** Where a file of that name is, or is to be. */
  path(name: string): string;
  /** Writes a file and returns its path. */
  write(name: string, content: string | Uint8Array): string;
}

/** Files of a test file's own. Their folder comes with the first of them, so that skipped tests leave none, and goes after the tests. */
export function testFiles(): TestFiles {
  const folder = join(tmpdir(), `lbtwin-test-${randomUUID()}`);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  return {
    path,
    write: (name, content) => {
      mkdirSync(dirname(path(name)), { recursive: true });
      writeFileSync(path(name), content);
      return path(name);
    },
  };
}
