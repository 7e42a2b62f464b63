import { describe, expect, it } from 'vitest';
import { parseCommandLine } from '../../src/cli/args.ts';

const specs = {
  file: { type: 'string', short: 'f', rest: true, help: 'files' },
  to: { type: 'string', value: 'IP:PORT', help: 'destination' },
  size: { type: 'string', help: 'a number' },
  json: { type: 'boolean', help: 'a flag' },
} as const;

describe('parseCommandLine', () => {
  it('takes several files after one -f, and - for standard input', () => {
    const args = parseCommandLine(['-f', 'a.yaml', 'b.yaml', '--json', 'word', '-f', '-'], specs);
    expect(args.strings('file')).toEqual(['a.yaml', 'b.yaml', '-']);
    expect(args.positionals).toEqual(['word']);
    expect(args.flag('json')).toBe(true);
  });

  it.each([
    [['--too', 'x'], /unknown option '--too'; did you mean --to\?$/],
    [['--elsewhere'], /unknown option '--elsewhere' \(allowed: those that --help lists\)$/],
    [['--to'], /--to <value>' argument missing/],
    [['--to', 'a', '--to', 'b'], /--to is given twice/],
    [['--json=1'], /--json' does not take an argument/],
  ])('refuses %j', (words, message) => {
    expect(() => parseCommandLine(words, specs)).toThrow(message);
  });

  it('says what a missing or wrong value should be', () => {
    const args = parseCommandLine(['--size', 'http'], specs);
    expect(() => args.required('to')).toThrow('--to is missing (allowed: --to IP:PORT)');
    expect(() => args.integer('size', 1, 9)).toThrow('--size: "http" is not a number in range (allowed: 1..9)');
    expect(() => args.choice('size', ['a', 'b'])).toThrow('--size: "http" is not known (allowed: a, b)');
    expect(() => parseCommandLine(['--size', '65536'], specs).integer('size', 0, 65535)).toThrow(/0\.\.65535/);
  });
});
