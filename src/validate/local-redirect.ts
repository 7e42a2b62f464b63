import { LbtwinError } from '../errors.ts';
import { tryParseAddress } from '../net/index.ts';
import { Field } from './fields.ts';

function fail(field: Field, code: string, reason: string, allowed?: string): never {
  throw new LbtwinError(code, reason, { path: field.path, ...(allowed === undefined ? {} : { allowed }) });
}

/** What the agent checks of a CiliumLocalRedirectPolicy before it takes it. @throws LbtwinError with the reason */
export function checkLocalRedirect(object: unknown): void {
  const root = new Field(object, [], []);
  const metadata = root.field('metadata');
  if ((metadata.field('name').text() ?? '') === '')
    fail(metadata.field('name'), 'name-missing', 'a policy needs a name');
  const frontend = root.field('spec').field('redirectFrontend');
  const byAddress = frontend.field('addressMatcher');
  const byService = frontend.field('serviceMatcher');
  if (byAddress.given === byService.given) {
    fail(
      frontend,
      byAddress.given ? 'two-frontend-matchers' : 'no-frontend-matcher',
      'one frontend matcher is needed',
      'addressMatcher, or serviceMatcher',
    );
  }
  if (byAddress.given) {
    const ip = byAddress.field('ip');
    if (tryParseAddress(ip.text() ?? '') === undefined)
      fail(ip, 'not-an-address', `${JSON.stringify(ip.value)} is no IP address`);
    if (byAddress.field('toPorts').items().length === 0)
      fail(byAddress.field('toPorts'), 'port-missing', 'an address needs ports');
  } else {
    if ((byService.field('serviceName').text() ?? '') === '')
      fail(byService.field('serviceName'), 'service-name-missing', 'a service needs a name');
    const [wanted, own] = [byService.field('namespace').text(), metadata.field('namespace').text() ?? 'default'];
    if (wanted !== own) {
      fail(
        byService.field('namespace'),
        'other-namespace',
        `service namespace ${JSON.stringify(wanted)} is not the policy's own`,
        own,
      );
    }
  }
  const matcher = byAddress.given ? byAddress : byService;
  const backend = root.field('spec').field('redirectBackend');
  const count = matcher.field('toPorts').items().length;
  for (const list of [matcher.field('toPorts'), backend.field('toPorts')])
    ports(list, count > 1 || list.items().length > 1);
  if (backend.field('toPorts').items().length === 0)
    fail(backend.field('toPorts'), 'port-missing', 'a backend needs ports');
}

function ports(list: Field, named: boolean): void {
  for (const port of list.items()) {
    const value = port.field('port');
    const text = value.text() ?? '';
    if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > 65535) {
      fail(value, 'port-out-of-range-or-not-a-number', `${JSON.stringify(value.value)} is no port`, '"1" to "65535"');
    }
    const protocol = port.field('protocol').text()?.toUpperCase();
    if (protocol !== 'TCP' && protocol !== 'UDP')
      fail(port.field('protocol'), 'unknown-protocol', 'a redirect is for TCP or UDP', 'TCP, UDP');
    if (named && (port.field('name').text() ?? '') === '') {
      fail(port.field('name'), 'port-name-missing', 'ports must be named where there is more than one');
    }
  }
}
