import type { Bundle, ContainerBundle, ContainerSecurity } from "../fly/machine-protocol.ts";
import type { Container, Pod, UserContext } from "../kube/pod.ts";
import { userContextFor } from "./fields/user.ts";

/** Who the container runs as and what it may do: its own word first, then the Pod's. */
export function securityFor(pod: Pod, container: Container): Pick<ContainerBundle, "security"> {
  const security = { ...userFor(pod, container), ...powersFor(container) };
  return Object.keys(security).length === 0 ? {} : { security };
}

function userFor(pod: Pod, container: Container): ContainerSecurity {
  const { supplementalGroups, supplementalGroupsPolicy } = pod.spec.securityContext ?? {};
  const { runAsUser, runAsGroup, runAsNonRoot, seccompProfile } = userContextFor(pod, container);
  const seccomp = seccompFor(seccompProfile);
  return {
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(runAsNonRoot === true ? { runAsNonRoot } : {}),
    ...(supplementalGroups === undefined ? {} : { supplementalGroups }),
    ...(supplementalGroupsPolicy === "Strict" ? { strictGroups: true } : {}),
    ...(seccomp === undefined ? {} : { seccomp }),
  };
}

function powersFor({ securityContext: own = {} }: Container): ContainerSecurity {
  const { add = [], drop = [] } = own.capabilities ?? {};
  return {
    ...(own.privileged === true ? { privileged: true } : {}),
    ...(add.length + drop.length === 0 ? {} : { capabilities: { add, drop } }),
    ...(own.allowPrivilegeEscalation === false ? { noNewPrivileges: true } : {}),
    ...(own.readOnlyRootFilesystem === true ? { readOnlyRootFilesystem: true } : {}),
    ...(own.procMount === "Unmasked" ? { unmaskedProc: true } : {}),
  };
}

function seccompFor(
  { type, localhostProfile = "" }: NonNullable<UserContext["seccompProfile"]> = { type: "" },
): ContainerSecurity["seccomp"] {
  switch (type) {
    case "RuntimeDefault":
      return "default";
    case "Unconfined":
      return "unconfined";
    case "Localhost":
      return { localhost: localhostProfile };
    default:
      return undefined;
  }
}

/** What holds for the Machine as a whole. */
export function podSecurityFor({
  spec,
}: Pod): Pick<Bundle, "sysctls" | "sharesProcesses" | "fsGroup"> {
  const { sysctls = [], fsGroup } = spec.securityContext ?? {};
  return {
    ...(sysctls.length === 0
      ? {}
      : { sysctls: Object.fromEntries(sysctls.map(({ name, value }) => [dotted(name), value])) }),
    ...(spec.shareProcessNamespace === true ? { sharesProcesses: true } : {}),
    ...(fsGroup === undefined ? {} : { fsGroup }),
  };
}

/** Why no kubelet would run the Pod, or undefined. Such a Pod fails instead of waiting. */
export function rejectionFor({ spec }: Pod): Rejection | undefined {
  const forbidden = spec.securityContext?.sysctls?.find(({ name }) => !SAFE.has(dotted(name)));
  if (forbidden === undefined) return undefined;
  const message = `forbidden sysctl: ${JSON.stringify(forbidden.name)} not allowlisted`;
  return { reason: "SysctlForbidden", message };
}

export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

/** Those of a namespace of the Pod's own. Source: Kubernetes docs, "Using sysctls in a cluster". */
const SAFE: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ping_group_range",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.tcp_wmem",
]);

/** A name may be written with slashes; the first separator says which it is. */
function dotted(name: string): string {
  const [separator] = /[./]/.exec(name) ?? [];
  if (separator !== "/") return name;
  return name.replaceAll(/[./]/g, (one) => (one === "/" ? "." : "/"));
}
