export { Choices, seededWords } from './choices.ts';
export { Cluster, type ClusterOptions, DEFAULT_SOURCE_PORT, type SendSpec } from './cluster.ts';
export { TwinNode } from './twin-node.ts';
export { Fabric, type FabricRules } from './fabric.ts';
export { Flow, type FlowCheck, type FlowStatus } from './flow.ts';
export { type PacketView, partsOf, viewOf } from './packet-view.ts';
export type { Hop, Journey, JourneyDrop, MapAccess, Outcome, OutcomeKind } from './journey.ts';
export { parseParty, parseTarget, type Party, type Target } from './party.ts';
export { readTopology, type Topology, type TopologyNode, type TopologyPod } from './topology.ts';
