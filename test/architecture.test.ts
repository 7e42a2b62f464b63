import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/** What each folder of src may import from; ARCHITECTURE.md draws it. */
const BASE = ['text', 'net', 'yaml', 'hash', 'maglev', 'lab', 'config', 'lb', 'node'];
const PACKETS = ['conntrack', 'nat', 'policy', 'socket', 'datapath'];
const ORDER = [
  ...BASE,
  'conntrack',
  'nat',
  'policy',
  'socket',
  'datapath',
  'k8s',
  'install',
  'validate',
  'cluster',
  'migrate',
  'lint',
  'scenario',
  'report',
  'cli',
];

function mayImport(from: string, to: string): boolean {
  if (from === to || to === '') return true;
  if (from === 'testing' || from === 'replay' || from === '') return to !== 'cli';
  if (from === 'k8s' && PACKETS.includes(to)) return false;
  // Sockets and packets share one node's maps; neither folder is below the other.
  if (from === 'datapath' && to === 'socket') return false;
  return ORDER.indexOf(to) >= 0 && ORDER.indexOf(to) < ORDER.indexOf(from);
}

const folderOf = (file: string): string => {
  const first = relative('src', file).split('/');
  return first.length > 1 ? first[0]! : '';
};

describe('the house', () => {
  it('every folder imports only from those to its left', () => {
    const wrong: string[] = [];
    for (const entry of readdirSync('src', { recursive: true, encoding: 'utf8' })) {
      if (!entry.endsWith('.ts')) continue;
      const file = join('src', entry);
      for (const match of readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)) {
        const target = normalize(join(dirname(file), match[1]!));
        const [from, to] = [folderOf(file), folderOf(target)];
        // Only the entry points re-export across folders; a folder takes nothing from src/index.ts.
        const rootModule = to === '' && !target.endsWith('errors.ts') && from !== '' && from !== 'cli';
        if (!mayImport(from, to) || rootModule) wrong.push(`${file} imports ${target}`);
      }
    }
    expect(wrong).toEqual([]);
  });
});
