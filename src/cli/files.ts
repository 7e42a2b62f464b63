import { isAscii } from 'node:buffer';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LbtwinError } from '../errors.ts';
import type { Io } from './io.ts';
import { didYouMean, nearest } from '../text/nearest.ts';

const EXTENSIONS = /\.(?:ya?ml|json)$/;

const unreadable = (name: string, reason: string, allowed?: string): LbtwinError =>
  new LbtwinError('unreadable-file', `${name}: ${reason}`, allowed === undefined ? {} : { allowed });

function why(name: string, error: unknown): LbtwinError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') {
    let near: string[] = [];
    try {
      near = nearest(basename(name), readdirSync(dirname(name)));
    } catch {
      // The folder does not exist either.
    }
    return unreadable(name, `no such file${didYouMean(near)}`);
  }
  if (code === 'EACCES' || code === 'EPERM') return unreadable(name, 'no permission to read it');
  return unreadable(name, error instanceof Error ? error.message : String(error));
}

/** The files that a name stands for: itself, or everything readable in and below a folder, in order of name. */
export function expandFolder(name: string): string[] {
  if (name === '-') return [name];
  try {
    if (!statSync(name).isDirectory()) return [name];
    const found = readdirSync(name, { recursive: true, encoding: 'utf8' })
      .filter((entry) => EXTENSIONS.test(entry))
      .sort()
      .map((entry) => join(name, entry))
      .filter((file) => statSync(file).isFile());
    if (found.length === 0) throw unreadable(name, 'no .yaml, .yml or .json file in this folder');
    return found;
  } catch (error) {
    throw error instanceof LbtwinError ? error : why(name, error);
  }
}

/** The text of bytes in UTF-8, or in UTF-16 with a byte order mark (as PowerShell's `>` writes it). */
export function decode(name: string, bytes: Uint8Array): string {
  const utf16 =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : '';
  // Dumps are: a copy of the bytes is five times as fast as decoding them.
  if (isAscii(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  try {
    return new TextDecoder(utf16 === '' ? 'utf-8' : utf16, { fatal: true }).decode(bytes);
  } catch {
    throw unreadable(name, 'the bytes are no text', 'UTF-8, or UTF-16 with a byte order mark');
  }
}

/** Reads a file (or standard input) as it is. @throws LbtwinError `unreadable-file` */
export async function readBytes(name: string, io: Io): Promise<Uint8Array> {
  if (name === '-') return io.stdin();
  try {
    return readFileSync(name);
  } catch (error) {
    throw why(name, error);
  }
}

/** What a file is called in messages. */
const nameOf = (name: string): string => (name === '-' ? 'standard input' : name);

/** Runs `read` on the content of a file; an error of it names the file, and the line if its path is one. */
export function inFile<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LbtwinError)) throw error;
    const line = typeof error.path[0] === 'number' ? `:${error.path[0]}` : '';
    throw new LbtwinError(error.code, `${nameOf(name)}${line}: ${error.reason}`, {
      cause: error,
      ...(error.allowed === undefined ? {} : { allowed: error.allowed }),
    });
  }
}

/** Writes a file. @throws LbtwinError `unwritable-file` */
export function writeFile(name: string, content: string | Uint8Array): void {
  try {
    writeFileSync(name, content);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const reason = WRITE_ERRORS[code] ?? (error instanceof Error ? error.message : String(error));
    throw new LbtwinError('unwritable-file', `${name}: ${reason}`);
  }
}

const WRITE_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'no such folder',
  ENOTDIR: 'no such folder',
  EISDIR: 'is a folder',
  EACCES: 'no permission to write it',
  EPERM: 'no permission to write it',
  EROFS: 'no permission to write it',
  ENOSPC: 'the disk is full',
};

/** Reads a file (or standard input) as text. @throws LbtwinError `unreadable-file` */
export const readText = async (name: string, io: Io): Promise<string> =>
  decode(nameOf(name), await readBytes(name, io));
