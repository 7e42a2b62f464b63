import { LbtwinError } from '../errors.ts';
import { isUnspecified, wordsOf } from '../net/address.ts';
import { formatL4Address } from '../net/endpoint.ts';
import { type Service, takesProtocol } from './service.ts';
import type { TupleColumns } from './tuple.ts';

/** The error for a flow that is not the service's. */
export const notAddressed = (service: Service, path: (string | number)[]): LbtwinError =>
  new LbtwinError('tuple-mismatch', `the flow is not addressed to ${formatL4Address(service.frontend)}`, {
    path,
    allowed: "the frontend's address, port and protocol, or none",
  });

function checkLength(key: string, length: number, needed: number): void {
  if (length >= needed) return;
  throw new LbtwinError('invalid-columns', `only ${length} entries`, { path: [key], allowed: `at least ${needed}` });
}

/** Checks a batch before anything is written. @throws LbtwinError `family-mismatch`, `invalid-columns`, `tuple-mismatch` */
export function checkColumns(service: Service, columns: TupleColumns, out: Uint32Array): void {
  const { frontend, family } = service;
  const rows = columns.sport.length;
  const perRow = wordsOf(family);
  if (columns.family !== family) {
    throw new LbtwinError('family-mismatch', `the columns are IPv${columns.family}`, {
      path: ['family'],
      allowed: `${family}, as the frontend`,
    });
  }
  checkLength('saddr', columns.saddr.length, rows * perRow);
  checkLength('out', out.length, rows);
  const { protocol, dport, daddr } = columns;
  if (protocol !== undefined) {
    checkLength('protocol', protocol.length, rows);
    for (let i = 0; i < rows; i++)
      if (!takesProtocol(service, protocol[i]!)) throw notAddressed(service, ['protocol', i]);
  } else if (frontend.protocol === 0) {
    throw new LbtwinError('invalid-columns', 'an ANY frontend takes flows of several protocols', {
      path: ['protocol'],
      allowed: 'a column of protocol numbers',
    });
  }
  if (dport !== undefined) {
    checkLength('dport', dport.length, rows);
    const { port } = frontend;
    for (let i = 0; i < rows; i++) if (dport[i] !== port) throw notAddressed(service, ['dport', i]);
  }
  if (daddr === undefined || isUnspecified(frontend.address)) return;
  checkLength('daddr', daddr.length, rows * perRow);
  for (let w = 0; w < perRow; w++) {
    const wanted = frontend.address.words[w]!;
    for (let i = 0; i < rows; i++) if (daddr[i * perRow + w] !== wanted) throw notAddressed(service, ['daddr', i]);
  }
}
