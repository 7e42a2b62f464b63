/** How often a new mapping is tried. */
export const SNAT_ATTEMPTS = 32;
/** More failed attempts than this signal the agent that ports run out. */
export const SNAT_SIGNAL_THRESHOLD = 16;

/**
 * A u16 squeezed into the range `min..max`: scaled, not folded. Neighbouring values may fall on the same port, which is why the
 * search for a free port is not linear (docs/nat.md).
 */
export const clampPort = (min: number, max: number, value: number): number => min + ((value * (max - min + 1)) >>> 16);

/** `port` if it is in the range, else a random port of it: one word is drawn then. */
export const keepPort = (min: number, max: number, port: number, random: () => number): number =>
  port >= min && port <= max ? port : clampPort(min, max, random() & 0xffff);

/** The port to try after `port` failed; `attempt` counts from 0, and one random word is drawn after the first. */
export const nextPort = (min: number, max: number, port: number, attempt: number, random: () => number): number =>
  clampPort(min, max, (attempt === 0 ? random() : port + 1) & 0xffff);
