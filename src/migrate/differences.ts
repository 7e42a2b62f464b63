/** Ways in which Cilium's replacement answers otherwise than kube-proxy, each with what it means for people. */
export const DIFFERENCES = {
  'cluster-ip-from-outside':
    'kube-proxy serves a ClusterIP to whoever routes it to a node; Cilium drops that (bpf.lbExternalClusterIP=true serves it).',
  'source-kept':
    "The backend sees the client's own address, where kube-proxy masqueraded: access lists and logs that knew node addresses change.",
  'source-hidden': "The backend sees a node's address, where kube-proxy kept the client's.",
  'hairpin-source':
    'A pod that reaches itself through a service sees 169.254.42.1 (ipv4-service-loopback-address) as the client, not its node.',
  'fails-at-connect':
    'There is no backend, and the connect() of the application itself fails, with an error of its own (EHOSTUNREACH), where kube-proxy answered by ICMP (ECONNREFUSED) or not at all.',
  'rejects-instead-of-drops':
    'Without a backend on this node the client is told at once (ICMP), where kube-proxy was silent: no more timeouts (serviceNoBackendResponse).',
  'drops-instead-of-rejects':
    'The client waits for a timeout, where kube-proxy refused at once (serviceNoBackendResponse=reject answers).',
  'reaches-now': 'Cilium serves this, kube-proxy did not.',
  'no-longer-reaches': 'kube-proxy served this, Cilium does not.',
  'other-backends': 'Other backends can be picked.',
  'source-ranges-inside':
    'kube-proxy holds loadBalancerSourceRanges against every client; sockets of the cluster are translated before anybody looks at them.',
  'external-ip-mitigation':
    "A pod's or host's connection to an external IP that is no address of the node is not translated at the socket (protection against CVE-2020-8554; bpf.disableExternalIPMitigation=true lifts it): it leaves the node, and reaches the service only if the network brings it back.",
  'loopback-node-port': 'NodePorts are reachable on loopback addresses, which this mode of kube-proxy does not serve.',
  'wrong-source': 'The answer comes from another address than the client sent to: the client discards it.',
  undecided: 'The twin cannot decide what happens here.',
} as const;

export type DifferenceCode = keyof typeof DIFFERENCES;
