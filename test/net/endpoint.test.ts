import { describe, expect, it } from 'vitest';
import { cidrContains, formatCidr, maskCidr, parseCidr } from '../../src/net/cidr.ts';
import { parseAddress } from '../../src/net/address.ts';
import { formatL4Address, parseEndpoint, parseL4Address, parsePort } from '../../src/net/endpoint.ts';
import { parseProtocol, parseServiceProtocol, protocolName } from '../../src/net/protocol.ts';

describe('ADDRESS:PORT/PROTO', () => {
  it.each(['10.0.0.1:80/TCP', '[fd00::1]:53/UDP', '[::ffff:10.0.0.1]:0/SCTP', '0.0.0.0:65535/ANY'])(
    'round trip: %s',
    (text) => {
      expect(formatL4Address(parseL4Address(text))).toBe(text);
    },
  );

  it.each([
    ['10.0.0.1', 'invalid-endpoint'],
    ['10.0.0.1:80', 'invalid-endpoint'],
    ['10.0.0.1:/TCP', 'invalid-port'],
    ['10.0.0.1:http/TCP', 'invalid-port'],
    ['10.0.0.1:65536/TCP', 'invalid-port'],
    ['10.0.0.1:080/TCP', 'invalid-port'],
    ['10.0.0.1:-1/TCP', 'invalid-port'],
    ['10.0.0.1:80/ICMP', 'unknown-protocol'],
    ['10.0.0.1:80/', 'unknown-protocol'],
    ['fd00::1:80/TCP', 'invalid-endpoint'],
    ['[10.0.0.1]:80/TCP', 'invalid-endpoint'],
    ['[fd00::1]80/TCP', 'invalid-endpoint'],
    ['010.0.0.1:80/TCP', 'invalid-address'],
    ['', 'invalid-endpoint'],
  ])('refuses %j', (text, code) => {
    expect(() => parseL4Address(text)).toThrow(expect.objectContaining({ code }));
  });

  it('takes a default protocol', () => {
    expect(parseL4Address('10.0.0.1:80', 17).protocol).toBe(17);
    expect(parseEndpoint('[::1]:8080').port).toBe(8080);
    expect(() => parsePort('0', 1)).toThrow(/1\.\.65535/);
  });
});

describe('protocols', () => {
  it('have names and numbers', () => {
    expect(parseServiceProtocol('tcp')).toBe(6);
    expect(parseProtocol('icmpv6')).toBe(58);
    expect(protocolName(132)).toBe('SCTP');
    expect(protocolName(58)).toBe('ICMPv6');
    expect(protocolName(47)).toBe('47');
    expect(() => parseServiceProtocol('icmp')).toThrow(/TCP, UDP, SCTP or ANY/);
    expect(() => parseProtocol('toString')).toThrow(/known protocol/);
  });
});

describe('CIDRs', () => {
  it.each(['10.0.0.0/8', '0.0.0.0/0', 'fd00::/64', '::/0', '::1/128'])('round trip: %s', (text) => {
    expect(formatCidr(parseCidr(text))).toBe(text);
  });

  it.each(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '::/129', '10.0.0/8', '/8', 'fe80::1%eth0/64'])(
    'refuses %j',
    (text) => {
      expect(() => parseCidr(text)).toThrow(expect.objectContaining({ code: 'invalid-cidr' }));
    },
  );

  it('mask and contain', () => {
    expect(formatCidr(maskCidr(parseCidr('10.255.1.2/9')))).toBe('10.128.0.0/9');
    expect(formatCidr(maskCidr(parseCidr('fd00:1:2:ffff::1/49')))).toBe('fd00:1:2:8000::/49');
    expect(cidrContains(parseCidr('10.255.1.2/9'), parseAddress('10.128.0.1'))).toBe(true);
    expect(cidrContains(parseCidr('10.255.1.2/9'), parseAddress('10.127.0.1'))).toBe(false);
    expect(cidrContains(parseCidr('::/0'), parseAddress('10.127.0.1'))).toBe(false);
    expect(cidrContains(parseCidr('0.0.0.0/0'), parseAddress('255.0.0.1'))).toBe(true);
  });
});
