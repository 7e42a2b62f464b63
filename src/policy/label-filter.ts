/** Keys that count although a pattern below leaves them out. */
const KEPT = [
  /^io\.kubernetes\.pod\.namespace/,
  /^io\.cilium\.k8s\.namespace\.labels/,
  /^io\.cilium\.k8s\.policy\.cluster/,
  /^io\.cilium\.k8s\.policy\.serviceaccount/,
  /^app\.kubernetes\.io/,
];

const LEFT_OUT = [
  /^io\.kubernetes/,
  /^kubernetes\.io/,
  /^statefulset\.kubernetes\.io\/pod-name/,
  /^apps\.kubernetes\.io\/pod-index/,
  /^batch\.kubernetes\.io\/job-completion-index/,
  /^batch\.kubernetes\.io\/controller-uid/,
  /^.*beta\.kubernetes\.io/,
  /^k8s\.io/,
  /^pod-template-generation/,
  /^pod-template-hash/,
  /^controller-revision-hash/,
  /^annotation.*/,
  /^etcd_node/,
];

/** Whether a label of a pod is part of its identity under the default label filter (the `labels` option is not set). */
export const isIdentityLabel = (key: string): boolean =>
  KEPT.some((pattern) => pattern.test(key)) || !LEFT_OUT.some((pattern) => pattern.test(key));
