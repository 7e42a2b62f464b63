import { always, ifTruthy, notNull, present } from '../emit.ts';
import { chartOnly, option, split } from '../define.ts';
import { goText, truthy } from '../go.ts';
import { anyText, bool, path } from '../kind.ts';
import { ABSENT, type Chart, type Emit, type Option } from '../option.ts';

/** The file that the agent writes into the CNI directory. */
export const CNI_FILE = '05-cilium.conflist';

const managed = (chart: Chart): boolean => truthy(chart.get('cni.install')) && !truthy(chart.get('cni.customConf'));
const whenManaged = 'cni.install and not cni.customConf';

const ifManaged: Emit = {
  when: whenManaged,
  text: (chart, helm) => (managed(chart) ? goText(chart.get(helm)) : undefined),
};

const read: Emit = {
  when: 'cni.configMap or cni.readCniConf set',
  text: (chart) =>
    truthy(chart.get('cni.configMap'))
      ? `${goText(chart.get('cni.confFileMountPath'))}/${goText(chart.get('cni.configMapKey'))}`
      : truthy(chart.get('cni.readCniConf'))
        ? goText(chart.get('cni.readCniConf'))
        : undefined,
};

const write: Emit = {
  when: `${whenManaged} (or cni.configMap with cni.customConf)`,
  text: (chart) =>
    managed(chart) || (truthy(chart.get('cni.configMap')) && truthy(chart.get('cni.customConf')))
      ? `${goText(chart.get('cni.hostConfDirMountPath'))}/${CNI_FILE}`
      : undefined,
};

/** CNI files, mounts, and how the agent finds the API server. */
export const INSTALL: readonly Option[] = [
  option('write-cni-conf-when-ready', 'writeCniConfWhenReady', {
    helm: 'cni.install',
    values: true,
    agent: '',
    kind: path,
    reader: 'install',
    emit: write,
    effect: 'The agent writes its CNI configuration to this file once it is ready; empty: it manages none.',
    note: 'The value is a switch; the key is the path below cni.hostConfDirMountPath.',
  }),
  chartOnly('cni.customConf', {
    key: 'custom-cni-conf',
    values: false,
    kind: bool,
    emit: present(),
    effect:
      'You bring the CNI configuration: the chart leaves out write-cni-conf-when-ready, cni-exclusive and cni-log-file.',
    note: 'The key is custom-cni-conf, which no agent flag reads; it is not cni-exclusive, as some guides say.',
  }),
  option('cni-exclusive', 'cniExclusive', {
    helm: 'cni.exclusive',
    values: true,
    agent: 'false',
    kind: bool,
    reader: 'install',
    emit: ifManaged,
    effect: 'Other CNI configurations in the directory are renamed to *.cilium_bak, also those that appear later.',
    note: 'On in the chart, off in the agent.',
  }),
  option('cni-log-file', 'cniLogFile', {
    helm: 'cni.logFile',
    values: '/var/run/cilium/cilium-cni.log',
    agent: '/var/run/cilium/cilium-cni.log',
    kind: anyText('/var/run/cilium/cilium-cni.log', '/tmp/cni.log'),
    reader: 'install',
    emit: ifManaged,
    effect: 'Where the CNI plugin logs.',
  }),
  option('read-cni-conf', 'readCniConf', {
    helm: 'cni.configMap',
    agent: '',
    kind: path,
    reader: 'install',
    emit: read,
    effect: 'A file that is copied byte for byte in place of the generated CNI configuration.',
    note: 'cni.configMap names a ConfigMap that is mounted at cni.confFileMountPath and wins over cni.readCniConf.',
  }),
  chartOnly('cni.readCniConf', {
    partOf: 'read-cni-conf',
    kind: path,
    effect: 'The path of such a file inside the agent container.',
  }),
  chartOnly('cni.configMapKey', {
    partOf: 'read-cni-conf',
    values: 'cni-config',
    kind: anyText('cni-config', 'my-config'),
    effect: 'The key inside the ConfigMap that cni.configMap names.',
  }),
  chartOnly('cni.confFileMountPath', {
    partOf: 'read-cni-conf',
    values: '/tmp/cni-configuration',
    kind: path,
    effect: 'Where that ConfigMap is mounted.',
  }),
  chartOnly('cni.hostConfDirMountPath', {
    partOf: 'write-cni-conf-when-ready',
    values: '/host/etc/cni/net.d',
    kind: path,
    effect: 'Where the CNI directory of the host appears inside the agent.',
  }),
  chartOnly('cni.confPath', {
    values: '/etc/cni/net.d',
    kind: path,
    effect: 'The CNI directory of the host (volume etc-cni-netd).',
  }),
  chartOnly('cni.binPath', {
    values: '/opt/cni/bin',
    kind: path,
    effect: 'Where CNI binaries are installed on the host (volume cni-path).',
  }),
  chartOnly('cni.uninstall', {
    key: 'cni-uninstall',
    values: false,
    kind: bool,
    emit: ifTruthy(),
    effect: 'The CNI configuration is removed when the agent stops.',
  }),
  chartOnly('cni.iptablesRemoveAWSRules', {
    values: split<unknown>(ABSENT, true),
    kind: bool,
    effect: 'Rules of the AWS CNI are removed after the agent started.',
  }),
  option('cni-chaining-mode', 'cniChainingMode', {
    helm: 'cni.chainingMode',
    values: null,
    agent: 'none',
    kind: anyText('none', 'portmap', 'flannel', 'generic-veth', 'aws-cni'),
    reader: 'install',
    emit: {
      when: 'effective mode is not none',
      text: (chart) => (chart.chainingMode === 'none' ? undefined : chart.chainingMode),
    },
    effect: 'Cilium runs behind another CNI plugin.',
    note: 'none, aws-cni, flannel, generic-veth, portmap. Any but none also means legacy host routing and connection tracking for pod traffic.',
  }),
  option('cni-chaining-target', 'cniChainingTarget', {
    helm: 'cni.chainingTarget',
    values: null,
    agent: '',
    kind: anyText('', 'k8s-pod-network'),
    reader: 'install',
    emit: notNull(),
    effect: 'The network whose configuration Cilium is inserted into; * is the first one found.',
    note: 'Implies generic-veth when cni.chainingMode is null.',
  }),
  option('cni-external-routing', 'cniExternalRouting', {
    helm: 'cni.externalRouting',
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: notNull(),
    effect: 'The other plugin routes pod traffic (implied by aws-cni).',
  }),
  option('enable-route-mtu-for-cni-chaining', 'cniRouteMTU', {
    helm: 'cni.enableRouteMTUForCNIChaining',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: ifTruthy(),
    effect: 'Pod routes get an MTU under chaining.',
  }),
  option('enable-endpoint-health-checking', 'endpointHealthChecking', {
    helm: 'endpointHealthChecking.enabled',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'described',
    emit: {
      when: 'always; "false" with a CNI chaining mode other than portmap',
      text: (chart, helm) => String(truthy(chart.get(helm)) && ['none', 'portmap'].includes(chart.chainingMode)),
    },
    effect: 'The agent probes an endpoint of its own on every node.',
  }),
  option('bpf-root', 'bpfRoot', {
    helm: 'bpf.root',
    values: '/sys/fs/bpf',
    agent: '',
    kind: path,
    reader: 'install',
    emit: always(),
    effect: 'Where pinned maps are kept.',
    note: 'Only the key follows it: volume, mount path and init container stay at /sys/fs/bpf.',
  }),
  chartOnly('bpf.autoMount.enabled', {
    values: true,
    kind: bool,
    effect: 'An unprivileged agent gets an init container that mounts /sys/fs/bpf; a privileged one mounts it itself.',
  }),
  chartOnly('securityContext.privileged', {
    values: false,
    kind: bool,
    effect: 'The agent runs privileged and mounts the BPF file system itself.',
  }),
  option('cgroup-root', 'cgroupRoot', {
    helm: 'cgroup.hostRoot',
    values: '/run/cilium/cgroupv2',
    agent: '',
    kind: path,
    reader: 'install',
    emit: always(),
    effect: 'The cgroup v2 hierarchy that the socket programs are attached to.',
  }),
  chartOnly('cgroup.autoMount.enabled', {
    values: true,
    kind: bool,
    effect: 'An init container mounts the cgroup v2 hierarchy at cgroup.hostRoot.',
  }),
  chartOnly('k8sServiceHost', {
    values: '',
    kind: anyText('', '192.0.2.10'),
    effect:
      'The API server address for agents and operator; needed without kube-proxy, since nothing translates the kubernetes service yet.',
    note: 'The word "auto" takes it from the ConfigMap cluster-info in kube-public when the chart is rendered.',
  }),
  chartOnly('k8sServicePort', {
    values: '',
    kind: anyText('', '6443'),
    effect: 'The API server port that goes with k8sServiceHost.',
  }),
  chartOnly('k8sServiceHostRef.name', {
    values: split<unknown>(ABSENT, null),
    kind: anyText('api-server'),
    effect: 'A ConfigMap that holds the API server address instead of k8sServiceHost.',
  }),
  chartOnly('k8sServiceHostRef.key', {
    values: split<unknown>(ABSENT, null),
    kind: anyText('host'),
    effect: 'The key inside that ConfigMap.',
  }),
  chartOnly('k8sServiceLookupConfigMapName', {
    values: '',
    kind: anyText('', 'cluster-info'),
    effect: 'Where k8sServiceHost=auto looks; empty: cluster-info.',
  }),
  chartOnly('k8sServiceLookupNamespace', {
    values: '',
    kind: anyText('', 'kube-public'),
    effect: 'In which namespace k8sServiceHost=auto looks; empty: kube-public.',
  }),
];
