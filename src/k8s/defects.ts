/**
 * Defects of the recorded control plane, by name (docs/fidelity.md tells each). The twin is without them; `ControlPlaneOptions.defects`
 * switches them on, to see what such an agent's maps really hold.
 */
export const DEFECTS = [
  /** A slice is known by its name alone: two namespaces with one slice name mix up their backends. */
  'slice-names',
  /** A slice that drops an address removes the backend although another slice of the service still lists it. */
  'address-in-two-slices',
  /** Backends released for a service are dropped for every service whose name begins with its name. */
  'service-name-prefix',
  /** Without `ipFamilies`, every cluster IP counts as IPv4 for the wildcard NodePort frontend. */
  'cluster-ip-families',
  /** A pod that comes back under its name with a new uid cannot take its own hostPort. */
  'pod-recreated',
  /** Of a pod's ports with one hostPort (TCP and UDP, several host addresses) the one listed last replaces the others. */
  'host-port-service',
  /** Of two source ranges with one prefix, removing one removes the entry of both. */
  'equal-source-ranges',
  /** A frontend that no longer uses Maglev keeps its last table, even when it is deleted. */
  'maglev-table-left',
  /** The node's addresses of wildcard frontends are remembered by family and port: frontends that share these leave entries behind. */
  'node-port-memory',
] as const;

export type Defect = (typeof DEFECTS)[number];

export const NO_DEFECTS: ReadonlySet<Defect> = new Set();
