/** Which end of the connection the packet is seen from, or a service entry. */
export const CtDir = { EGRESS: 0, INGRESS: 1, SERVICE: 2 } as const;
export type CtDir = (typeof CtDir)[keyof typeof CtDir];

/** Which entries a lookup tries: of the packet's own direction, of the reply's, or the reply's and then its own. */
export const CtScope = { FORWARD: 0, REVERSE: 1, BIDIR: 2 } as const;
export type CtScope = (typeof CtScope)[keyof typeof CtScope];

export const CtStatus = { NEW: 0, ESTABLISHED: 1, REPLY: 2, RELATED: 3 } as const;
export type CtStatus = (typeof CtStatus)[keyof typeof CtStatus];

/** Kinds of entry a lookup accepts, or-ed; ANY accepts all. */
export const CtType = { ANY: 0, NODE_PORT: 1, DSR: 2, SERVICE: 4 } as const;

/** `monitor` when the packet is to be reported: the trace payload length. */
export const MONITOR_REPORT = 128;
/** `monitor` when the lookup did not say anything: the kernel program's variable keeps what it had. */
export const MONITOR_UNWRITTEN = -1;
