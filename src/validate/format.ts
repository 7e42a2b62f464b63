import { tryParseAddress, tryParseCidr } from '../net/index.ts';

/** Go's lenient reading of IPv4: each octet may have leading zeros. */
const withoutLeadingZeros = (text: string): string =>
  text.replaceAll(/(^|[.:])0+(?=\d+(?:[./]|$))/g, (match, before: string, at: number, whole: string) =>
    /^[\d.]+(?:\/|$)/.test(whole.slice(at + before.length)) ? before : match,
  );

function isSloppyCidr(text: string): boolean {
  const slash = text.lastIndexOf('/');
  if (slash < 0 || !/^\d+$/.test(text.slice(slash + 1))) return false;
  const bits = String(Number(text.slice(slash + 1)));
  return tryParseCidr(`${withoutLeadingZeros(text.slice(0, slash))}/${bits}`) !== undefined;
}

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  cidr: isSloppyCidr,
  ipv4: (text) => tryParseAddress(withoutLeadingZeros(text))?.family === 4,
  ipv6: (text) => tryParseAddress(text)?.family === 6,
  'date-time': (text) => /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[-+]\d\d:\d\d)$/.test(text),
  date: (text) => /^\d{4}-\d\d-\d\d$/.test(text),
  uuid: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text),
  mac: (text) => /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text),
  byte: (text) => /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text),
};

/** Whether a text has a string format. Formats that are not in the table are not checked, as by the API server. */
export function hasFormat(format: string, text: string): boolean {
  return FORMATS[format]?.(text) ?? true;
}
