import type { TraceEvent } from '../lb/trace.ts';
import { protocolName } from '../net/protocol.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Shows a value in one line. */
function brief(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return `[${value.map(brief).join(', ')}]`;
  if (!isFields(value)) return String(value);
  if (isEndpoint(value)) return endpoint(value['address'], value['port']);
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined && inner !== false)
    .map(([key, inner]) => (inner === true ? key : `${words(key)} ${brief(inner)}`))
    .join(', ');
}

const isEndpoint = (value: Fields): boolean => Object.keys(value).length === 2 && 'address' in value && 'port' in value;

const endpoint = (address: unknown, port: unknown): string => {
  const text = String(address);
  return text.includes(':') ? `[${text}]:${String(port)}` : `${text}:${String(port)}`;
};

/** `revNatIndex` as `rev nat index`. */
const words = (key: string): string => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** A conntrack key, read from the connection's initiator on, as the agent lists it. */
function conntrackKey(key: Fields): string {
  const flags = Number(key['flags']);
  const protocol = protocolName(Number(key['protocol']));
  const { saddr, daddr, sport, dport } = key;
  if ((flags & 4) !== 0) return `${protocol} SVC ${endpoint(saddr, dport)} -> ${endpoint(daddr, sport)}`;
  const related = (flags & 2) === 0 ? '' : ' related';
  return `${protocol} ${(flags & 1) === 0 ? 'OUT' : 'IN'} ${endpoint(daddr, sport)} -> ${endpoint(saddr, dport)}${related}`;
}

const natKey = (key: Fields): string =>
  `${protocolName(Number(key['protocol']))} ${(Number(key['flags']) & 1) === 0 ? 'OUT' : 'IN'} ${endpoint(key['saddr'], key['sport'])} -> ${endpoint(key['daddr'], key['dport'])}`;

function serviceKey(key: Fields): string {
  const slot = Number(key['slot']);
  const scope = Number(key['scope']) === 1 ? ' (internal scope)' : '';
  const protocol = typeof key['protocol'] === 'number' ? protocolName(key['protocol']) : String(key['protocol']);
  return `${endpoint(key['address'], key['port'])}/${protocol}${scope}${slot === 0 ? '' : ` slot ${slot}`}`;
}

const KEYS: Readonly<Record<string, (key: Fields) => string>> = {
  conntrack: conntrackKey,
  nat: natKey,
  services: serviceKey,
};

/** What says nothing new: parts of the key, zeros, and flags that are not set. */
const KEY_FIELDS = new Set(['saddr', 'daddr', 'sport', 'dport', 'protocol', 'flags']);

function valueText(map: string, value: unknown): string {
  if (!isFields(value) || !(map in KEYS)) return brief(value);
  const kept = Object.entries(value).filter(
    ([key, inner]) => inner !== 0 && !(map !== 'services' && KEY_FIELDS.has(key)),
  );
  return brief(Object.fromEntries(kept)) || 'an empty entry';
}

const keyText = (map: string, key: unknown): string =>
  isFields(key) && KEYS[map] !== undefined ? KEYS[map](key) : brief(key);

/** What a program did, step by step, in words: every event one line. */
export function explainEvents(events: readonly TraceEvent[]): string[] {
  return events.map(explainEvent);
}

function explainEvent(event: TraceEvent): string {
  switch (event.kind) {
    case 'lookup':
      return event.value === undefined
        ? `${event.map}: nothing for ${keyText(event.map, event.key)}`
        : `${event.map}: ${keyText(event.map, event.key)} has ${valueText(event.map, event.value)}`;
    case 'update':
      return `${event.map}: writes ${keyText(event.map, event.key)}: ${valueText(event.map, event.value)}`;
    case 'delete':
      return `${event.map}: deletes ${keyText(event.map, event.key)}`;
    case 'random':
      return `draws ${event.word}`;
    case 'decision':
      return `${event.what}: ${brief(event.result)}${event.detail === undefined ? '' : ` (${brief(event.detail)})`}`;
    case 'rewrite':
      return `${event.field} ${brief(event.from)} becomes ${brief(event.to)}`;
    default:
      return `verdict ${event.verdict}${event.detail === undefined ? '' : ` (${brief(event.detail)})`}`;
  }
}
