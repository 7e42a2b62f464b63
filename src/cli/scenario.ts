import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { type ConfigData, configDataOf } from '../config/index.ts';
import { LbtwinError } from '../errors.ts';
import type { RawObject } from '../k8s/raw.ts';
import { visitObjects } from '../k8s/objects/read.ts';
import { locateError, type ObjectBatch, readObjects } from '../k8s/read.ts';
import { dumpMaps } from '../report/map-dump.ts';
import { type CaseResult, readScenario, type Scenario, type ScenarioHost } from '../scenario/index.ts';
import { readYaml } from '../yaml/index.ts';
import type { validateObject } from '../validate/index.ts';
import { decode, expandFolder, writeFile } from './files.ts';
import { storedOf } from './stored.ts';

/** A file that holds no scenario is another file of the folder: objects, values. */
const isScenario = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && 'steps' in value && !('kind' in value);

/** The scenarios of files and folders; in folders, files without `steps` are left aside. @throws LbtwinError with file, line and column */
export function readScenarios(names: readonly string[]): { file: string; scenario: Scenario }[] {
  const found: { file: string; scenario: Scenario }[] = [];
  for (const name of names) {
    const folder = existsSync(name) && statSync(name).isDirectory();
    for (const file of expandFolder(name)) {
      const document = read(file)[0];
      if (folder && !isScenario(document?.value)) continue;
      try {
        found.push({
          file,
          scenario: readScenario(document?.value, file.replace(/^.*\//, '').replace(/\.ya?ml$/, '')),
        });
      } catch (error) {
        if (!(error instanceof LbtwinError)) throw error;
        const { line, column } = document?.positionOf(error.path) ?? { line: 1, column: 1 };
        throw new LbtwinError(error.code, `${file}:${line}:${column}: ${error.message}`);
      }
    }
  }
  if (found.length === 0)
    throw new LbtwinError('no-scenarios', `${names.join(', ')}: no scenario there`, {
      allowed: 'YAML files with objects and steps',
    });
  return found;
}

function read(file: string): ReturnType<typeof readYaml> {
  if (!existsSync(file)) {
    const near = existsSync(dirname(file))
      ? readdirSync(dirname(file))
          .filter((one) => one.endsWith('.yaml'))
          .slice(0, 5)
      : [];
    throw new LbtwinError(
      'unreadable-file',
      `${file}: no such file`,
      near.length > 0 ? { allowed: near.join(', ') } : {},
    );
  }
  const text = decode(file, readFileSync(file));
  try {
    return readYaml(text);
  } catch (error) {
    throw error instanceof LbtwinError ? new LbtwinError(error.code, `${file}: ${error.message}`) : error;
  }
}

/** Files that a scenario names are looked for beside it. Objects are read once, however often they are named. */
export function hostOf(file: string, warn: (text: string) => void, validate: typeof validateObject): ScenarioHost {
  const cache = new Map<string, readonly RawObject[]>();
  const beside = (name: string): string => relative('.', resolve(dirname(file), name)) || name;
  return {
    objects: (name) => {
      const path = beside(name);
      let objects = cache.get(path);
      if (objects === undefined) {
        let batch: ObjectBatch | undefined;
        for (const one of expandFolder(path)) batch = readObjects(one, decode(one, readIt(one)), {}, batch);
        for (const error of batch?.refused ?? []) warn(`lbtwin: refused: ${error.message}\n`);
        objects = batch?.objects ?? [];
        for (const { raw, error } of visitObjects(objects, [], () => {}).refused) {
          const object = raw as RawObject;
          warn(`lbtwin: refused: ${locateError(error, object, batch!.origins.get(object)!).message}\n`);
        }
        if (batch !== undefined) {
          objects = storedOf(objects, batch.origins, validate, (error) => warn(`lbtwin: refused: ${error.message}\n`));
        }
        cache.set(path, objects);
      }
      return objects;
    },
    values: (name) => ({ name, values: mapping(beside(name)) }),
    configMap: (name) => {
      const object = mapping(beside(name));
      return { name, data: ('kind' in object ? configDataOf(object) : object) as ConfigData };
    },
    dumpMaps,
  };
}

function readIt(file: string): Uint8Array {
  if (!existsSync(file)) throw new LbtwinError('unreadable-file', `${file}: no such file`);
  return readFileSync(file);
}

function mapping(file: string): Record<string, unknown> {
  const value = read(file)[0]?.value ?? {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new LbtwinError('invalid-scenario', `${file} holds no mapping`);
  return value as Record<string, unknown>;
}

/** Writes what came in place of what was expected; comments and layout stay. Returns how many fields changed. */
export function updateExpectations(file: string, cases: readonly CaseResult[]): number {
  const document = parseDocument(readFileSync(file, 'utf8'));
  let changed = 0;
  for (const { path, differences, actual } of cases) {
    for (const { field } of differences) {
      const name = field.split(/[.[]/)[0]!;
      if (!(name in actual)) continue;
      document.setIn([...path, 'expect', name], actual[name] ?? null);
      changed++;
    }
  }
  if (changed > 0) writeFile(file, document.toString({ lineWidth: 0 }));
  return changed;
}
