import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/registry.ts';
import { runCli } from './run-cli.ts';

describe('lbtwin', () => {
  it('lists every command', async () => {
    const { code, out } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const name of Object.keys(COMMANDS)) expect(out).toContain(`  ${name}`);
  });

  it('without a command shows the list and refuses', async () => {
    expect(await runCli([])).toMatchObject({ code: 2, out: (await runCli(['--help'])).out });
  });

  it('names the version', async () => {
    expect((await runCli(['--version'])).out).toMatch(/^lbtwin \d+\.\d+\.\d+\n$/);
  });

  it('refuses an unknown command in one line', async () => {
    const { code, err } = await runCli(['selct']);
    expect(code).toBe(2);
    expect(err).toMatch(/^lbtwin: "selct" is not a command.*\n$/);
  });

  it.each(Object.keys(COMMANDS))('%s has a complete help', async (name) => {
    const { code, out } = await runCli([...name.split(' '), '--help']);
    expect(code).toBe(0);
    const { default: command } = await COMMANDS[name]!.load();
    for (const option of Object.keys(command.options)) expect(out).toContain(`--${option}`);
    for (const heading of ['Usage:', 'Options:', 'Exit codes:']) expect(out).toContain(heading);
    expect(await runCli(['help', ...name.split(' ')])).toEqual({ code, out, err: '' });
  });
});
