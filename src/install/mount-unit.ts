import { LbtwinError } from '../errors.ts';
import { nearest } from '../text/nearest.ts';

/** The UTF-8 bytes of a text. */
function utf8(text: string): number[] {
  const bytes: number[] = [];
  for (const character of text) {
    const c = character.codePointAt(0)!;
    if (c < 0x80) bytes.push(c);
    else if (c < 0x800) bytes.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) bytes.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else bytes.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return bytes;
}

/**
 * The name that systemd demands of the mount unit for a path (docs/install.md): `/sys/fs/bpf` gives `sys-fs-bpf.mount`.
 * @throws LbtwinError `invalid-path` for a path that is not absolute or has `.` or `..` parts
 */
export function mountUnitName(path: string): string {
  const fail = (reason: string): never => {
    throw new LbtwinError('invalid-path', `${JSON.stringify(path)} ${reason}`, { allowed: 'an absolute path' });
  };
  if (!path.startsWith('/')) fail('is not absolute');
  if (path.includes('\0')) fail('has a zero byte');
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..')) fail('is not plain');
  if (parts.length === 0) return '-.mount';
  let name = '';
  for (const byte of utf8(parts.join('/'))) {
    const character = String.fromCharCode(byte);
    if (character === '/') name += '-';
    else if (/[A-Za-z0-9:_.]/.test(character) && !(character === '.' && name === '')) name += character;
    else name += `\\x${byte.toString(16).padStart(2, '0')}`;
  }
  return `${name}.mount`;
}

/** The path that a mount unit's name stands for, or undefined if it is no such name. */
export function pathOfMountUnit(unit: string): string | undefined {
  if (!unit.endsWith('.mount')) return undefined;
  const name = unit.slice(0, -'.mount'.length);
  if (name === '-') return '/';
  if (!/^(?:[A-Za-z0-9:_.-]|\\x[0-9a-f]{2})+$/.test(name) || /^-|-$|--/.test(name)) return undefined;
  const encoded = name.replaceAll(/\\x([0-9a-f]{2})|-|%/g, (match, hex: string | undefined) =>
    match === '-' ? '/' : `%${hex ?? '25'}`,
  );
  try {
    return `/${decodeURIComponent(encoded)}`;
  } catch {
    return undefined;
  }
}

/** Paths that systemd mounts on its own: a unit for them is refused. */
const API_FILE_SYSTEMS: readonly string[] = [
  '/sys',
  '/sys/fs/bpf',
  '/sys/fs/cgroup',
  '/sys/kernel/security',
  '/sys/fs/pstore',
  '/sys/firmware/efi/efivars',
  '/proc',
  '/dev',
  '/dev/shm',
  '/dev/pts',
  '/run',
];
export const isApiFileSystem = (path: string): boolean => API_FILE_SYSTEMS.includes(path);

const clean = (path: string): string =>
  `/${path
    .split('/')
    .filter((part) => part !== '')
    .join('/')}`;

/** A BPF file system mount unit with its right name and text. */
export function mountUnit(path: string): { readonly name: string; readonly text: string; readonly warnings: string[] } {
  const name = mountUnitName(path);
  const where = clean(path);
  const warnings = isApiFileSystem(where)
    ? [
        `systemd mounts ${where} on its own and refuses a unit for it (systemd 252: "Cannot create mount unit for API file system"); the unit makes sense on old systemd or for another path`,
      ]
    : [];
  const lines = [
    '[Unit]',
    'Description=BPF file system',
    'DefaultDependencies=no',
    'Before=local-fs.target umount.target',
    'After=swap.target',
    '',
    '[Mount]',
    'What=bpffs',
    `Where=${where.replaceAll('%', '%%')}`,
    'Type=bpf',
    'Options=rw,nosuid,nodev,noexec,relatime,mode=700',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return { name, text: `${lines.join('\n')}\n`, warnings };
}

export interface UnitFinding {
  readonly severity: 'error' | 'warning' | 'note';
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** From 1. */
  readonly line?: number;
}

const KEYS: Readonly<Record<string, readonly string[]>> = {
  Unit: [
    'Description',
    'Documentation',
    'DefaultDependencies',
    'Before',
    'After',
    'Requires',
    'Wants',
    'BindsTo',
    'Conflicts',
    'RequiresMountsFor',
    'ConditionPathExists',
    'ConditionCapability',
    'ConditionVirtualization',
    'AssertPathExists',
    'PartOf',
  ],
  Mount: [
    'What',
    'Where',
    'Type',
    'Options',
    'SloppyOptions',
    'LazyUnmount',
    'ReadWriteOnly',
    'ForceUnmount',
    'DirectoryMode',
    'TimeoutSec',
  ],
  Install: ['WantedBy', 'RequiredBy', 'Alias', 'Also', 'DefaultInstance'],
};

interface Entry {
  readonly value: string;
  readonly line: number;
}

class UnitReader {
  readonly findings: UnitFinding[] = [];
  readonly entries = new Map<string, Entry>();
  private section = '';

  add(severity: UnitFinding['severity'], code: string, message: string, line?: number, hint?: string): void {
    this.findings.push({
      severity,
      code,
      message,
      ...(line === undefined ? {} : { line }),
      ...(hint === undefined ? {} : { hint }),
    });
  }

  read(text: string): void {
    for (const [index, raw] of text.split(/\r?\n/).entries()) {
      const line = index + 1;
      const trimmed = raw.trim();
      if (trimmed === '' || trimmed.startsWith('#') || trimmed.startsWith(';')) continue;
      const header = /^\[(.*)\]$/.exec(trimmed);
      if (header !== null) this.header(header[1]!, line);
      else this.entry(trimmed, line);
    }
  }

  private header(name: string, line: number): void {
    this.section = name;
    if (KEYS[name] !== undefined || name.startsWith('X-')) return;
    const near = Object.keys(KEYS).find((known) => known.toLowerCase() === name.toLowerCase());
    this.add('warning', 'unknown-section', `[${name}] is unknown and ignored`, line, near && `meant: [${near}]`);
  }

  private entry(text: string, line: number): void {
    const equals = text.indexOf('=');
    if (equals < 0) {
      this.add('warning', 'no-assignment', `${JSON.stringify(text)} is no assignment and ignored`, line);
      return;
    }
    const key = text.slice(0, equals).trim();
    const known = KEYS[this.section];
    if (known === undefined) return;
    if (known.includes(key)) {
      this.entries.set(`${this.section}.${key}`, { value: text.slice(equals + 1).trim(), line });
      return;
    }
    const same = known.find((name) => name.toLowerCase() === key.toLowerCase());
    const near = same ?? nearest(key, known, 1)[0];
    const elsewhere = Object.keys(KEYS).find((section) => KEYS[section]!.includes(key));
    const hint =
      elsewhere !== undefined ? `it belongs into [${elsewhere}]` : near === undefined ? undefined : `meant: ${near}=`;
    this.add('warning', 'unknown-key', `${key}= is unknown in [${this.section}] and ignored`, line, hint);
  }
}

/**
 * Checks a mount unit for the BPF file system as systemd and mount(8) treat it.
 * @param unit the unit's file name, with `.mount`; unknown if left out
 */
export function checkMountUnit(text: string, unit?: string): UnitFinding[] {
  const reader = new UnitReader();
  reader.read(text);
  const { entries } = reader;
  const add = reader.add.bind(reader);
  if (unit !== undefined && !unit.endsWith('.mount')) add('error', 'unit-name', `${unit} does not end in .mount`);
  const named = unit === undefined ? undefined : pathOfMountUnit(unit);
  if (unit?.endsWith('.mount') === true && named === undefined) {
    add(
      'error',
      'unit-name',
      `${unit} is not the name of any path`,
      undefined,
      'systemd-escape --path --suffix=mount PATH',
    );
  }
  const where = checkWhere(entries.get('Mount.Where'), unit, named, add);
  if (where !== undefined && isApiFileSystem(where)) {
    add(
      'warning',
      'api-file-system',
      `systemd mounts ${where} on its own and refuses units for it ("Cannot create mount unit for API file system", seen with 252)`,
      entries.get('Mount.Where')?.line,
      'leave the unit out, unless systemd is older',
    );
  }
  checkMount(entries, add);
  if (!entries.has('Install.WantedBy') && !entries.has('Install.RequiredBy')) {
    add(
      'warning',
      'no-wanted-by',
      'nothing starts the unit at boot',
      undefined,
      'WantedBy=multi-user.target in [Install]',
    );
  }
  return reader.findings;
}

type Add = UnitReader['add'];

function checkWhere(
  entry: Entry | undefined,
  unit: string | undefined,
  named: string | undefined,
  add: Add,
): string | undefined {
  if (entry === undefined) {
    const derived = named === undefined ? '' : `: ${named}`;
    add('note', 'where-missing', `Where= is missing; systemd derives it from the unit's name${derived}`);
    return named;
  }
  const path = entry.value.replaceAll('%%', '%');
  if (!path.startsWith('/')) {
    add(
      'warning',
      'where-relative',
      `Where=${entry.value} is not absolute: ignored and derived from the name`,
      entry.line,
    );
    return named;
  }
  let expected: string;
  try {
    expected = mountUnitName(path);
  } catch {
    add('error', 'where-invalid', `Where=${entry.value} is not a plain path`, entry.line);
    return undefined;
  }
  if (unit !== undefined && unit !== expected) {
    const message = `Where= setting doesn't match unit name, refused: ${unit} for ${path}`;
    add('error', 'where-mismatch', message, entry.line, `name the file ${expected}`);
  }
  return clean(path);
}

function checkMount(entries: ReadonlyMap<string, Entry>, add: Add): void {
  const what = entries.get('Mount.What');
  if (what === undefined || what.value === '') {
    add('error', 'what-missing', 'What= is missing: the unit is refused', what?.line, 'What=bpffs');
  } else if (what.value !== 'bpffs' && what.value !== 'bpf' && what.value !== 'none') {
    add(
      'note',
      'what-label',
      `What=${what.value} works: it is a label that shows up in /proc/mounts only`,
      what.line,
      'What=bpffs',
    );
  }
  const type = entries.get('Mount.Type');
  if (type === undefined || type.value === '') {
    add('warning', 'type-missing', 'Type= is missing: mount has to guess the file system', type?.line, 'Type=bpf');
  } else if (type.value !== 'bpf') {
    add('error', 'type-wrong', `Type=${type.value}: mount fails, unknown filesystem type`, type.line, 'Type=bpf');
  }
}
