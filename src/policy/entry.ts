import { LbtwinError } from '../errors.ts';
import type { PolicyEntry, PolicyKey } from './layout.ts';

// An entry in one word: deny << 31 | explicit << 30 | auth << 23 | priority << 16 | proxyPort.

export const isDeny = (value: number): boolean => value >>> 31 === 1;
export const isAuthExplicit = (value: number): boolean => ((value >>> 30) & 1) === 1;
export const authOf = (value: number): number => (value >>> 23) & 127;
export const priorityOf = (value: number): number => (value >>> 16) & 127;
export const proxyPortOf = (value: number): number => value & 0xffff;

/** @throws LbtwinError `invalid-policy-entry` */
export function packEntry(entry: PolicyEntry): number {
  const { proxyPort, priority, auth } = entry;
  if (!within(proxyPort, 65535) || !within(priority, 127) || !within(auth, 127)) {
    throw new LbtwinError('invalid-policy-entry', `${JSON.stringify(entry)} does not fit the policy map`, {
      allowed: 'proxyPort 0..65535, priority 0..127, auth 0..127',
    });
  }
  const flags = (entry.deny ? 0x80000000 : 0) | (entry.authExplicit ? 0x40000000 : 0);
  return (flags | (auth << 23) | (priority << 16) | proxyPort) >>> 0;
}

export const unpackEntry = (value: number): PolicyEntry => ({
  deny: isDeny(value),
  proxyPort: proxyPortOf(value),
  priority: priorityOf(value),
  auth: authOf(value),
  authExplicit: isAuthExplicit(value),
});

/** @throws LbtwinError `invalid-policy-key` */
export function checkKey(key: PolicyKey): void {
  const fits =
    within(key.direction, 1) &&
    within(key.identity, 0xffffffff) &&
    within(key.proto, 255) &&
    within(key.port, 65535) &&
    within(key.portPrefix, 16) &&
    (key.proto !== 0 || key.portPrefix === 0);
  if (!fits) {
    throw new LbtwinError('invalid-policy-key', `${JSON.stringify(key)} is no key of a policy map`, {
      allowed: 'direction 0 or 1, identity u32, proto 0..255, port 0..65535, portPrefix 0..16 (0 without a proto)',
    });
  }
}

/** Order of dumps: direction (ingress first), identity, protocol, port, prefix. */
export function compareKeys(a: PolicyKey, b: PolicyKey): number {
  return (
    a.direction - b.direction ||
    a.identity - b.identity ||
    a.proto - b.proto ||
    a.port - b.port ||
    a.portPrefix - b.portPrefix
  );
}

const within = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max;
