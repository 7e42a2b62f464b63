import { getPath, type MergedValues, type ResolvedConfig } from '../config/index.ts';
import { parseAddress } from '../net/index.ts';
import { mountUnit } from './mount-unit.ts';

/** One step of an installation. */
export interface InstallStep {
  readonly title: string;
  /** Where it is done. */
  readonly where: 'first control plane node' | 'every node' | 'anywhere with kubectl' | 'anywhere with helm';
  readonly commands: readonly string[];
  readonly reason: string;
  /** How to see that it worked. */
  readonly check?: string;
}

export interface InstallPlan {
  readonly steps: readonly InstallStep[];
  /** What is missing or will not work. */
  readonly problems: readonly string[];
}

export interface InstallFacts {
  /** The address that each node should use where it has several; of the first node, for the commands. */
  readonly nodeIp?: string;
  /** kube-proxy runs already. Default: a new cluster. */
  readonly existing?: boolean;
  /** The container runtime is CRI-O. */
  readonly crio?: boolean;
  /** Names of the values files, for the helm command. */
  readonly valuesFiles?: readonly string[];
}

const STATUS = 'kubectl -n kube-system exec ds/cilium -- cilium-dbg status | grep KubeProxyReplacement';

function clusterSteps({ config }: ResolvedConfig, facts: InstallFacts): InstallStep[] {
  const range = config.nodePortRange;
  const changedRange = range.min !== 30000 || range.max !== 32767;
  const init = ['kubeadm init'];
  if (config.kubeProxyReplacement) init.push('--skip-phases=addon/kube-proxy');
  if (facts.nodeIp !== undefined) init.push(`--apiserver-advertise-address=${facts.nodeIp}`);
  if (config.ipam === 'kubernetes') init.push('--pod-network-cidr=10.244.0.0/16');
  const steps: InstallStep[] = [];
  if (facts.nodeIp !== undefined) {
    steps.push({
      title: "Tell the kubelet which address is the node's",
      where: 'every node',
      commands: [
        `echo 'KUBELET_EXTRA_ARGS=--node-ip=${facts.nodeIp}' > /etc/default/kubelet   # /etc/sysconfig/kubelet on RHEL; each node its own address`,
        'systemctl restart kubelet',
      ],
      reason:
        "With several network cards the kubelet picks one by itself. The node's InternalIP is where the tunnel ends, which device routes directly, and the source that backends see under SNAT.",
      check: 'kubectl get nodes -o wide',
    });
  }
  if (facts.existing === true) {
    if (config.kubeProxyReplacement) steps.push(...removeKubeProxy());
  } else {
    steps.push({
      title: 'Create the cluster',
      where: 'first control plane node',
      commands: [init.join(' ')],
      reason: config.kubeProxyReplacement
        ? 'Without the phase, kubeadm installs kube-proxy, and two programs would translate the same services.'
        : 'kube-proxy stays: the values do not replace it.',
      check: 'kubectl -n kube-system get ds kube-proxy',
    });
  }
  if (changedRange) {
    steps.push({
      title: 'Give the API server the same NodePort range',
      where: 'first control plane node',
      commands: [
        `sed -i '/- kube-apiserver$/a\\    - --service-node-port-range=${range.min}-${range.max}' /etc/kubernetes/manifests/kube-apiserver.yaml`,
      ],
      reason:
        'The API server allocates NodePorts, the agent only reserves its range: outside of it ports are not protected and SNAT may take them.',
    });
  }
  return steps;
}

function removeKubeProxy(): InstallStep[] {
  return [
    {
      title: 'Remove kube-proxy',
      where: 'anywhere with kubectl',
      commands: ['kubectl -n kube-system delete ds kube-proxy', 'kubectl -n kube-system delete cm kube-proxy'],
      reason:
        'Two programs must not translate the same services. The ConfigMap goes too, or kubeadm installs kube-proxy again at the next upgrade. Services are not reachable from now on until Cilium serves them.',
      check: 'kubectl -n kube-system get pods -l k8s-app=kube-proxy',
    },
    {
      title: 'Remove its rules',
      where: 'every node',
      commands: [
        'iptables-save | grep -v KUBE | iptables-restore',
        'ip6tables-save | grep -v KUBE | ip6tables-restore',
        'ipvsadm --clear   # only where kube-proxy ran in ipvs mode',
      ],
      reason: 'Rules outlive the process: they would go on sending service traffic to backends that may be gone.',
      check: 'iptables-save | grep KUBE-SVC   # prints nothing; lbtwin install check --iptables-save FILE',
    },
  ];
}

function apiServer(values: MergedValues, problems: string[], replaced: boolean): InstallStep[] {
  const text = (path: string): string => {
    const value = getPath(values.values, path);
    return value === undefined || value === null ? '' : String(value);
  };
  const [host, port] = [text('k8sServiceHost'), text('k8sServicePort')];
  const ref = text('k8sServiceHostRef.name') !== '' && text('k8sServiceHostRef.key') !== '';
  if (!replaced) return [];
  if (host === '' && !ref) {
    problems.push(
      'k8sServiceHost is not set: without kube-proxy nothing translates the kubernetes service, so agents cannot reach the API server through it',
    );
  } else if (host !== 'auto' && port === '') {
    problems.push(
      "k8sServicePort is not set: the agents would use the port of the kubernetes service (443), not the API server's (usually 6443)",
    );
  }
  if (/^(?:127\.|localhost$|::1$)/.test(host)) {
    problems.push(`k8sServiceHost=${host} is right only where every node runs a proxy to the API server on it`);
  }
  const command =
    host === 'auto'
      ? 'kubectl -n kube-public get cm cluster-info -o jsonpath={.data.kubeconfig}'
      : `curl -sk https://${host === '' ? 'API_SERVER' : host.includes(':') ? `[${host}]` : host}:${port === '' ? '6443' : port}/readyz`;
  return [
    {
      title: 'Make sure that agents reach the API server without a service',
      where: 'every node',
      commands: [command],
      reason:
        'The agent must read the services before it can translate them. With several control plane nodes use the address of their load balancer.',
      check: 'it prints "ok"',
    },
  ];
}

function mounts({ config }: ResolvedConfig, values: MergedValues, problems: string[]): InstallStep[] {
  const off = (path: string): boolean => getPath(values.values, path) === false;
  const steps: InstallStep[] = [];
  const unprivileged = getPath(values.values, 'securityContext.privileged') !== true;
  if (off('bpf.autoMount.enabled') && unprivileged) {
    const unit = mountUnit('/sys/fs/bpf');
    steps.push({
      title: 'Mount the BPF file system',
      where: 'every node',
      commands: [`mount | grep 'type bpf' || mount -t bpf bpffs /sys/fs/bpf`],
      reason: `bpf.autoMount.enabled is false: nobody mounts it. Recent systemd does by itself; on an old one a unit ${unit.name} makes it permanent (lbtwin mount-unit /sys/fs/bpf).`,
      check: 'mount | grep bpf',
    });
  }
  if (config.bpfRoot !== '/sys/fs/bpf' && config.bpfRoot !== '') {
    problems.push(
      `bpf.root=${config.bpfRoot} changes a key only: volume and mount stay at /sys/fs/bpf, so the agent pins its maps inside its own container`,
    );
  }
  if (off('cgroup.autoMount.enabled') && config.socketLB) {
    steps.push({
      title: 'Mount the cgroup v2 hierarchy',
      where: 'every node',
      commands: [`mountpoint -q ${config.cgroupRoot} || mount -t cgroup2 none ${config.cgroupRoot}`],
      reason:
        'cgroup.autoMount.enabled is false: the socket programs are attached to this hierarchy, and nobody mounts it.',
      check: `stat -fc %T ${config.cgroupRoot}   # cgroup2fs`,
    });
  }
  return steps;
}

function cniSteps({ config }: ResolvedConfig, facts: InstallFacts): InstallStep[] {
  const steps: InstallStep[] = [];
  if (config.writeCniConfWhenReady === '') {
    steps.push({
      title: 'Put your own CNI configuration in place',
      where: 'every node',
      commands: ['cp my.conflist /etc/cni/net.d/05-cilium.conflist'],
      reason:
        'The values leave the CNI directory to you: the agent writes nothing, and pods do not start without a configuration.',
      check: 'ls /etc/cni/net.d',
    });
  }
  if (facts.crio === true) {
    steps.push({
      title: 'Let CRI-O read the CNI directory again',
      where: 'every node',
      commands: ['systemctl restart crio'],
      reason: "CRI-O may have chosen its own bridge before Cilium's file was there.",
      check: 'crictl info | grep -A3 NetworkReady',
    });
  }
  return steps;
}

/** The ordered steps to a cluster with these settings, with reasons and checks. `--node-ip` must be an IP address. */
export function planInstall(resolved: ResolvedConfig, values: MergedValues, facts: InstallFacts = {}): InstallPlan {
  if (facts.nodeIp !== undefined) parseAddress(facts.nodeIp);
  const { config } = resolved;
  const problems = resolved.findings
    .filter(({ severity }) => severity !== 'note')
    .map(({ by, message }) => (by === undefined ? message : `the ${by} refuses this: ${message}`));
  const files = (facts.valuesFiles ?? []).map((name) => ` -f ${name}`).join('');
  const minimum = config.profile === '1.18' ? '5.10 (RHEL 8.10: 4.18)' : '5.4 (RHEL 8.6: 4.18)';
  const first = clusterSteps(resolved, facts);
  const api = apiServer(values, problems, config.kubeProxyReplacement);
  const steps: InstallStep[] = [
    {
      title: 'Check the kernel',
      where: 'every node',
      commands: ['uname -r'],
      reason: `Cilium ${config.profile} asks for ${minimum} or newer.`,
      check: `lbtwin kernel --release "$(uname -r)" --profile ${config.profile}`,
    },
    ...first,
    ...api,
    ...mounts(resolved, values, problems),
    {
      title: 'Install Cilium',
      where: 'anywhere with helm',
      commands: [
        'helm repo add cilium https://helm.cilium.io/',
        `helm install cilium cilium/cilium --version '~${config.profile}' --namespace kube-system${files}${config.kubeProxyReplacement && files === '' ? ' --set kubeProxyReplacement=true' : ''}`,
      ],
      reason: 'The values that this plan is for.',
      check: 'kubectl -n kube-system rollout status ds/cilium',
    },
    ...cniSteps(resolved, facts),
    {
      title: 'Restart pods that started before',
      where: 'anywhere with kubectl',
      commands: [
        `kubectl get pods -A -o custom-columns=NS:.metadata.namespace,POD:.metadata.name,HOST:.spec.hostNetwork --no-headers | awk '$3!="true"{print $1, $2}' | xargs -L1 -r kubectl delete pod -n`,
      ],
      reason:
        'Pods that were attached by another plugin have no Cilium endpoint: no policy, no translation at their interface.',
      check: 'kubectl get ciliumendpoints -A',
    },
    {
      title: 'See that the replacement is on',
      where: 'anywhere with kubectl',
      commands: [STATUS],
      reason: config.kubeProxyReplacement
        ? 'It must say True and name the devices.'
        : 'It says False: kube-proxy serves.',
      check: 'lbtwin install check --status FILE (a saved `cilium-dbg status --verbose`)',
    },
  ];
  return { steps, problems };
}
