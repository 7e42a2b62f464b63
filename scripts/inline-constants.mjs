// Writes numbers in place of the constants that a module imports: `FlowWord.OUTCOME` becomes `1 /* FlowWord.OUTCOME */`, as tsc does for the
// members of a `const enum`. V8 does not fold what comes from another module: at every use it reads the binding's cell, asks whether it is
// initialised, and which shape the object has. On the packet paths that took a fifth to a third of the time (docs/performance.md).
//
//   node scripts/inline-constants.mjs FOLDER    a tree of tsc's output with its declarations; changed in place
//
// A constant is what a module of the folder exports: a `const` number, or an object of nothing but numbers that is `as const` (`readonly`
// throughout in its declaration). Uses that are no plain `NAME` or `NAME.KEY` stay as they are.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'acorn';

const root = resolve(process.argv[2]);
const namesIn = (suffix) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(suffix))
    .map((name) => join(root, name));

const load = (path) => import(pathToFileURL(path).href);
const readonly = new Set();
for (const path of namesIn('.d.ts')) {
  const text = readFileSync(path, 'utf8');
  if (/^export declare (let|var) /m.test(text))
    throw new Error(`${path}: what may change cannot be told from a constant`);
  for (const [, name, members] of text.matchAll(/^export declare const (\w+): \{\n([^}]*)\n\};/gm)) {
    const lines = members.replace(/\/\*[^]*?\*\//g, '').split('\n');
    if (lines.every((line) => /^\s*(readonly .*)?$/.test(line)))
      readonly.add((await load(path.replace(/\.d\.ts$/, '.js')))[name]);
  }
}

const isNumber = (value) => typeof value === 'number';
const isConstant = (value) => isNumber(value) || (readonly.has(value) && Object.values(value).every(isNumber));

let uses = 0;
const modules = namesIn('.js').map((path) => ({ path, text: readFileSync(path, 'utf8') }));
for (const { path, text } of modules) {
  const { body } = parse(text, { ecmaVersion: 'latest', sourceType: 'module' });
  const edits = findUses(path, text, body, await constants(path, body));
  uses += edits.length;
  let [inlined, at] = ['', 0];
  for (const { start, end, by } of edits) {
    inlined += text.slice(at, start) + by;
    at = end;
  }
  if (edits.length > 0) writeFileSync(path, inlined + text.slice(at));
}
// Not on stdout: `npm run --silent bench -- --json` has nothing but figures there.
console.error(`${uses} uses of constants in ${modules.length} modules are numbers now`);

/** Constants that a module imports from others of the folder, or exports itself, by the names it has for them. */
async function constants(path, body) {
  const names = new Map();
  for (const { type, source, specifiers, declaration } of body) {
    if (type === 'ImportDeclaration' && source.value.startsWith('.')) {
      for (const { local, imported } of specifiers) {
        if (imported !== undefined)
          names.set(local.name, (await load(resolve(dirname(path), source.value)))[imported.name]);
      }
    } else if (declaration?.type === 'VariableDeclaration') {
      for (const { id } of declaration.declarations) names.set(id.name, (await load(path))[id.name]);
    }
  }
  return new Map([...names].filter(([, value]) => isConstant(value)));
}

/** Places where constants are read, in order. Throws if a name means something else anywhere. */
function findUses(path, text, body, names) {
  const edits = [];
  visit(body, true);
  return edits.sort((a, b) => a.start - b.start);

  function replace({ start, end }, value, asObject) {
    const by = `${value} /* ${text.slice(start, end)} */`;
    edits.push({ start, end, by: value < 0 || asObject ? `(${by})` : by });
  }

  /** @param top whether it is a statement of the module itself; @param asObject whether something of the value is asked for */
  function visit(node, top = false, asObject = false) {
    if (Array.isArray(node)) for (const part of node) visit(part, top);
    if (typeof node?.type !== 'string') return;
    switch (node.type) {
      case 'ImportDeclaration':
      case 'ExportAllDeclaration':
      case 'BreakStatement':
      case 'ContinueStatement':
        return;
      case 'ExportNamedDeclaration':
        return visit(node.declaration, true);
      case 'LabeledStatement':
        return visit(node.body);
      case 'Identifier':
        if (isNumber(names.get(node.name))) replace(node, names.get(node.name), asObject);
        return;
      case 'MemberExpression': {
        const { object, property, computed } = node;
        const value = computed ? undefined : names.get(object.name)?.[property.name];
        if (isNumber(value)) return replace(node, value, asObject);
        visit(object, false, true);
        return computed ? visit(property) : undefined;
      }
      case 'Property':
        if (node.shorthand && isNumber(names.get(node.key.name)))
          throw new Error(`${path}: ${node.key.name} needs a key`);
      // falls through
      case 'PropertyDefinition':
      case 'MethodDefinition':
        if (node.computed) visit(node.key);
        return node.shorthand ? undefined : visit(node.value);
      case 'CatchClause':
        pattern(node.param);
        return visit(node.body);
      case 'FunctionDeclaration':
      case 'FunctionExpression':
      case 'ArrowFunctionExpression':
        for (const part of [node.id, ...node.params]) pattern(part);
        return visit(node.body);
      case 'VariableDeclaration':
        for (const { id, init } of node.declarations) {
          if (!top) pattern(id);
          visit(init);
        }
        return;
      default:
        for (const part of Object.values(node)) visit(part);
    }
  }

  /** What binds names; its defaults are expressions. */
  function pattern(node) {
    switch (node?.type) {
      case 'Identifier':
        if (names.has(node.name)) throw new Error(`${path} has another ${node.name}`);
        return;
      case 'ObjectPattern':
        for (const part of node.properties) pattern(part.value ?? part);
        return;
      case 'ArrayPattern':
        return node.elements.forEach(pattern);
      case 'RestElement':
        return pattern(node.argument);
      case 'AssignmentPattern':
        pattern(node.left);
        visit(node.right);
    }
  }
}
