// Packs the package and looks at the tarball as a user gets it: publint, attw, every entry imported in Node and bundled for a browser.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';

const run = (command, args, options = {}) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], ...options });

/** Entries that only Node can run: they use threads or files. */
const NODE_ONLY = new Set(['./replay']);
/** Entries whose peer dependency (fast-check) takes a browser's timers when it loads. */
const WITH_TIMERS = new Set(['./testing']);
/**
 * Upper bounds for the JavaScript an entry loads, minified, in bytes: what was measured and about 15 % of room. A limit that is met
 * says that an entry began to load something; raise it only for what belongs there.
 */
const SIZE_LIMITS = {
  '.': 1_018_000,
  './config': 105_000,
  './k8s': 192_000,
  './conntrack': 20_000,
  './lab': 70_000,
  './maglev': 30_000,
  './maglev/variants': 23_000,
  './nat': 34_000,
  './net': 31_000,
  './policy': 274_000,
  './validate': 471_000,
  './install': 109_000,
  './testing': 830_000,
  './cluster': 620_000,
  './migrate': 620_000,
};

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'lbtwin-package-'));
try {
  const [{ filename, size, entryCount }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', folder]));
  const tarball = join(folder, filename);
  console.log(`packed ${filename}: ${size} bytes, ${entryCount} files`);
  run('npx', ['publint', '--strict', tarball], { stdio: 'inherit' });
  run('npx', ['attw', '--profile', 'esm-only', '--no-emoji', '--format', 'ascii', tarball], { stdio: 'inherit' });

  // A user's empty folder.
  const user = join(folder, 'user');
  run('mkdir', [user]);
  writeFileSync(join(user, 'package.json'), JSON.stringify({ name: 'user', private: true, type: 'module' }));
  const peers = Object.keys(manifest.peerDependencies ?? {}).map((name) => `${name}@${manifest.devDependencies[name]}`);
  run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', tarball, ...peers], { cwd: user });
  const entries = Object.keys(manifest.exports).filter((entry) => typeof manifest.exports[entry] === 'object');
  for (const entry of entries) {
    const name = entry.replace(/^\./, manifest.name);
    const found = run(
      process.execPath,
      ['--input-type=module', '-e', `console.log(Object.keys(await import('${name}')).length)`],
      {
        cwd: user,
      },
    );
    const exported = Number(found);
    if (!(exported > 0)) throw new Error(`${name} exports nothing`);
    const bytes = NODE_ONLY.has(entry)
      ? undefined
      : await bundle(user, name, exported, WITH_TIMERS.has(entry) ? { setTimeout, clearTimeout } : {});
    console.log(`${name}: ${exported} exports${bytes === undefined ? '' : `, ${bytes} bytes bundled for a browser`}`);
    if (bytes === undefined) continue;
    const limit = SIZE_LIMITS[entry];
    if (limit === undefined) throw new Error(`${name} has no limit in SIZE_LIMITS; it is ${bytes} bytes`);
    if (bytes > limit) throw new Error(`${name} is ${bytes} bytes, more than ${limit}`);
  }
  const help = spawnSync(join(user, 'node_modules/.bin', manifest.name), ['--help'], { cwd: user, encoding: 'utf8' });
  if (!help.stdout.includes('Usage')) throw new Error('the installed command prints no help');
  if (help.stderr !== '') throw new Error(`the installed command complains: ${help.stderr}`);
  const plan = run(
    join(user, 'node_modules/.bin', manifest.name),
    'maglev plan --backends 10 --table-size 16381 --max-needless 5% --trials 50 --threads 2'.split(' '),
    { cwd: user },
  );
  if (!plan.includes('Recommended: 16381')) throw new Error('the installed command cannot run its threads');
  console.log('package checks passed');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Bundles one entry for a browser and runs it where nothing of Node exists; returns its size. */
async function bundle(user, name, exported, globals) {
  const outfile = join(user, 'bundle.js');
  await build({
    stdin: {
      contents: `import * as entry from '${name}'; globalThis.found = Object.keys(entry).length;`,
      resolveDir: resolve(user),
    },
    bundle: true,
    minify: true,
    format: 'iife',
    platform: 'browser',
    outfile,
    logLevel: 'warning',
  });
  const page = createContext(globals);
  runInContext(readFileSync(outfile, 'utf8'), page);
  if (page.found !== exported) throw new Error(`${name}: ${page.found} exports in a browser, ${exported} in Node`);
  return statSync(outfile).size;
}
