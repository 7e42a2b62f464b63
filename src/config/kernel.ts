import { LbtwinError } from '../errors.ts';
import type { DatapathConfig } from './datapath-config.ts';
import type { PerProfile } from './profile.ts';

/** A kernel version as `uname -r` shows it. */
export interface KernelRelease {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** What follows the version, if it is a distribution's: `-372.9.1.el8.x86_64`. */
  readonly suffix: string;
  /** Who built it, if the suffix tells: such kernels have features of newer ones. */
  readonly distribution: string | undefined;
}

const DISTRIBUTIONS: readonly (readonly [RegExp, string])[] = [
  [/\.el\d/, 'Red Hat Enterprise Linux or a rebuild of it'],
  [/\.uek/i, 'Oracle Unbreakable Enterprise Kernel'],
  [/\.amzn\d/, 'Amazon Linux'],
  [/-(?:generic|aws|azure|gcp|gke|oracle|kvm|lowlatency|raspi)/, 'Ubuntu'],
  [/-default$|\.sle|-lp\d/, 'SUSE'],
  [/\.fc\d/, 'Fedora'],
  [/-(?:amd64|arm64|cloud-amd64|cloud-arm64)$|deb\d/, 'Debian'],
  [/-flatcar|-coreos|-talos|-cos|\+$/, 'a container operating system'],
];

/** @throws LbtwinError `invalid-kernel-release` */
export function parseKernelRelease(text: string): KernelRelease {
  const match = /^v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,4}))?(.*)$/.exec(text.trim());
  if (match === null) {
    throw new LbtwinError('invalid-kernel-release', `${JSON.stringify(text)} is no kernel release`, {
      allowed: 'what `uname -r` prints, such as 5.10.0 or 4.18.0-372.9.1.el8.x86_64',
    });
  }
  const [, major, minor, patch, suffix] = match;
  return {
    text: text.trim(),
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch ?? 0),
    suffix: suffix!,
    distribution: DISTRIBUTIONS.find(([pattern]) => pattern.test(suffix!))?.[1],
  };
}

type Version = readonly [major: number, minor: number, patch: number];

const atLeast = (release: KernelRelease, [major, minor, patch]: Version): boolean =>
  release.major !== major
    ? release.major > major
    : release.minor !== minor
      ? release.minor > minor
      : release.patch >= patch;

/** `yes`; `no`; or `unknown` for a distribution's kernel below the version, which may have it all the same. */
export type KernelAnswer = 'yes' | 'no' | 'unknown';

export interface KernelRequirement {
  readonly feature: string;
  /** The version that has it, in words. */
  readonly needs: string;
  readonly answer: KernelAnswer;
  /** True if the configuration uses it. */
  readonly used: boolean;
  /** What the agent does without it. */
  readonly without: string;
  /** True if the agent refuses to start without it. */
  readonly fatal: boolean;
  readonly source: string;
}

const DOCS = 'docs.cilium.io, System Requirements';
const AGENT = "the agent's own message";

/** The smallest kernel of a profile's documentation. */
const MINIMUM: PerProfile<{ readonly version: Version; readonly equivalent: string }> = {
  '1.17': { version: [5, 4, 0], equivalent: '4.18 of RHEL 8.6' },
  '1.18': { version: [5, 10, 0], equivalent: '4.18 of RHEL 8.10' },
};

interface Feature {
  readonly feature: string;
  readonly version: Version;
  /** Versions in between that lack it. */
  readonly except?: (release: KernelRelease) => boolean;
  readonly needs?: string;
  used(config: DatapathConfig): boolean;
  readonly without: string;
  readonly fatal?: boolean;
  readonly source: string;
}

/** Fixes for UDP at the socket went into 4.19.57, 5.1.16 and 5.2; 5.0 never got them. */
const lacksUdpFix = ({ major, minor, patch }: KernelRelease): boolean =>
  (major === 4 && minor > 19) || (major === 5 && minor === 0) || (major === 5 && minor === 1 && patch < 16);

const FEATURES: readonly Feature[] = [
  {
    feature: 'NodePort in eBPF',
    version: [4, 17, 0],
    used: ({ nodePort }) => nodePort,
    without: 'BPF NodePort services needs kernel 4.17.0 or newer',
    fatal: true,
    source: AGENT,
  },
  {
    feature: 'socket LB for TCP',
    version: [4, 17, 0],
    used: ({ socketLB }) => socketLB,
    without: 'BPF host-reachable services for TCP needs kernel 4.17.0 or newer',
    fatal: true,
    source: AGENT,
  },
  {
    feature: 'socket LB for UDP',
    version: [4, 19, 57],
    except: lacksUdpFix,
    needs: '4.19.57, 5.1.16, 5.2.0 or newer; 5.0.y never has it',
    used: ({ socketLB }) => socketLB,
    without: 'BPF host-reachable services for UDP needs kernel 4.19.57, 5.1.16, 5.2.0 or newer',
    fatal: true,
    source: AGENT,
  },
  {
    feature: 'session affinity by network namespace',
    version: [5, 7, 0],
    used: ({ sessionAffinity, socketLB }) => sessionAffinity && socketLB,
    without: 'the same backend is selected from all network namespaces of a host',
    source: DOCS,
  },
  {
    feature: 'socket LB in the host namespace only',
    version: [5, 7, 0],
    used: ({ socketLBHostNamespaceOnly }) => socketLBHostNamespaceOnly,
    without: 'the setting is switched off: pods are translated at the socket, sidecars see backend addresses',
    source: DOCS,
  },
  {
    feature: 'tracing of socket LB',
    version: [5, 7, 0],
    used: ({ socketLBTracing }) => socketLBTracing,
    without: 'switched off',
    source: AGENT,
  },
  {
    feature: 'getpeername shows the service address',
    version: [5, 8, 0],
    used: ({ socketLB }) => socketLB,
    without: 'applications see the backend address as their peer',
    source: "the agent's probe for the getpeername hooks",
  },
  {
    feature: 'devices without Ethernet headers (WireGuard, tun)',
    version: [5, 8, 0],
    used: ({ devices }) => devices.some((name) => /^(?:wg|tun)/.test(name)),
    without: 'traffic of such devices is not handled',
    source: DOCS,
  },
  {
    feature: 'host routing in eBPF',
    version: [5, 10, 0],
    used: ({ hostLegacyRouting }) => !hostLegacyRouting,
    without: 'legacy host routing',
    source: DOCS,
  },
  {
    feature: 'WireGuard encryption',
    version: [5, 6, 0],
    used: ({ wireguard }) => wireguard,
    without: 'the agent cannot create its device',
    fatal: true,
    source: DOCS,
  },
  {
    feature: 'netkit devices',
    version: [6, 7, 0],
    used: ({ datapathMode }) => datapathMode.startsWith('netkit'),
    without: 'the agent refuses the datapath mode',
    fatal: true,
    source: 'docs.cilium.io, Tuning Guide',
  },
  {
    feature: 'attaching with tcx',
    version: [6, 6, 0],
    used: ({ tcx }) => tcx,
    without: 'the legacy tc attachment',
    source: 'docs.cilium.io, enable-tcx',
  },
  {
    feature: 'XDP native acceleration',
    version: [4, 8, 0],
    needs: 'a driver with native XDP; virtio_net, ena, mlx5, ixgbe and others from their own versions on',
    used: ({ xdp }) => xdp,
    without: 'the agent refuses native acceleration for a device whose driver lacks it (best-effort skips it)',
    source: 'docs.cilium.io, Kubernetes without kube-proxy',
  },
];

export interface KernelReport {
  readonly release: KernelRelease;
  /** The profile's own minimum. */
  readonly minimum: { readonly needs: string; readonly answer: KernelAnswer; readonly source: string };
  readonly requirements: readonly KernelRequirement[];
  /** `no` if something that is used is missing and fatal, or the minimum is not met; `unknown` if that cannot be told. */
  readonly answer: KernelAnswer;
}

const formatVersion = ([major, minor, patch]: Version): string =>
  patch === 0 ? `${major}.${minor}` : `${major}.${minor}.${patch}`;

/** Judges a kernel for a configuration by its version; a distribution's backports make it `unknown`, never `no`. */
export function checkKernel(release: KernelRelease, config: DatapathConfig): KernelReport {
  const judge = (met: boolean): KernelAnswer => (met ? 'yes' : release.distribution === undefined ? 'no' : 'unknown');
  const { version, equivalent } = MINIMUM[config.profile];
  const minimum = {
    needs: `${formatVersion(version)}, or equivalent (${equivalent})`,
    answer: judge(atLeast(release, version)),
    source: `${DOCS} (${config.profile})`,
  };
  const requirements = FEATURES.map((feature): KernelRequirement => {
    const met = atLeast(release, feature.version) && feature.except?.(release) !== true;
    return {
      feature: feature.feature,
      needs: feature.needs ?? `${formatVersion(feature.version)} or newer`,
      answer: judge(met),
      used: feature.used(config),
      without: feature.without,
      fatal: feature.fatal === true,
      source: feature.source,
    };
  });
  const decisive = [
    minimum.answer,
    ...requirements.filter(({ used, fatal }) => used && fatal).map(({ answer }) => answer),
  ];
  const answer = decisive.includes('no') ? 'no' : decisive.includes('unknown') ? 'unknown' : 'yes';
  return { release, minimum, requirements, answer };
}
