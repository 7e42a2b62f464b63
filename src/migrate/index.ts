export {
  type CiliumAnswer,
  compareWithKubeProxy,
  type MigrationReport,
  type MigrationRow,
  type ServiceNote,
} from './compare.ts';
export { type DifferenceCode, DIFFERENCES } from './differences.ts';
export {
  askKubeProxy,
  type FrontendKind,
  type ProxyAnswer,
  type ProxyEndpoint,
  type ProxyMode,
  type ProxyQuestion,
} from './kube-proxy.ts';
