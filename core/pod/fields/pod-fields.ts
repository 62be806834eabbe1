import {
  approximated,
  carried,
  exactly,
  FALSE,
  not,
  type PodField,
  refused,
  TRUE,
} from "./field.ts";
import { NOT_PROVEN_NON_ROOT, WITHOUT_USER } from "./user.ts";

const SCHEDULING = "The scheduler reads it; a Machine needs nothing of it.";
const NO_HOSTS = "Fly has no field for lines of /etc/hosts.";
const PRIVATE_KERNEL = "A Machine does not share the host's processes or memory with other Pods.";

/** Source: Fly docs, "Stop a Machine"; facts 2.2. */
export const FLY_GRACE_MAX_SECONDS = 300;

/** The fields of `spec` itself. */
export const POD_FIELDS: readonly PodField[] = [
  carried("spec.nodeName", "The Node's region is where the Machine runs."),
  carried("spec.nodeSelector", SCHEDULING),
  carried("spec.affinity", SCHEDULING),
  carried("spec.tolerations", SCHEDULING),
  carried("spec.topologySpreadConstraints", SCHEDULING),
  carried("spec.schedulerName", SCHEDULING),
  carried("spec.schedulingGates", SCHEDULING),
  carried("spec.priority", SCHEDULING),
  carried("spec.priorityClassName", SCHEDULING),
  carried("spec.preemptionPolicy", SCHEDULING),
  carried("spec.readinessGates", "Ready waits for the conditions it names."),
  carried("spec.restartPolicy", "The restart policy of each container of the Machine."),
  carried(
    "spec.terminationGracePeriodSeconds",
    "From SIGTERM to SIGKILL when the Pod is deleted.",
    {
      fly: ["approximated", `Fly waits ${FLY_GRACE_MAX_SECONDS} seconds and no longer.`],
      values: {
        text: `above ${FLY_GRACE_MAX_SECONDS}`,
        has: (value) => Number(value) > FLY_GRACE_MAX_SECONDS,
      },
    },
  ),
  carried("spec.activeDeadlineSeconds", "The Machine is stopped when it has passed."),
  carried("spec.serviceAccount", "The old name of serviceAccountName."),
  carried("spec.serviceAccountName", "Whose token the Pod gets."),
  carried(
    "spec.automountServiceAccountToken",
    "The API server adds the token volume or leaves it out.",
  ),
  carried("spec.hostname", "The Machine's host name."),
  carried("spec.subdomain", "The full name stands in /etc/hosts, and DNS tells others of it.", {
    fly: ["approximated", "No DNS record tells of the full name yet."],
  }),
  carried("spec.setHostnameAsFQDN", "The host name is the full one, of 64 characters at most.", {
    fly: ["refused", "Fly is not known to take a host name of several labels."],
    values: TRUE,
  }),
  carried("spec.hostnameOverride", "The Machine's host name, whatever its other names are."),
  carried("spec.hostAliases[].ip", "A line of /etc/hosts.", { fly: ["refused", NO_HOSTS] }),
  carried("spec.hostAliases[].hostnames", "A line of /etc/hosts.", { fly: ["refused", NO_HOSTS] }),
  carried(
    "spec.dnsPolicy",
    "`ClusterFirst`: the cluster's names; `Default`: the same resolver, no search; `None`: dnsConfig alone.",
  ),
  carried("spec.dnsConfig.nameservers", "The Machine's name servers."),
  carried("spec.dnsConfig.searches", "The Machine's search domains."),
  carried("spec.dnsConfig.options", "The Machine's resolver options."),
  carried("spec.enableServiceLinks", "Variables that tell of the namespace's Services.", {
    fly: ["carried", "Only the variables of the `kubernetes` Service are set."],
  }),
  approximated(
    "spec.hostNetwork",
    "The Machine's own network stands in for the host's: nothing else listens there.",
    { values: TRUE },
  ),
  refused("spec.hostPID", PRIVATE_KERNEL, { values: TRUE }),
  refused("spec.hostIPC", PRIVATE_KERNEL, { values: TRUE }),
  approximated("spec.hostUsers", "Containers get no user namespace of their own.", {
    values: FALSE,
  }),
  carried("spec.shareProcessNamespace", "All containers see each other's processes.", {
    fly: ["refused", "Each container of a Machine has a process tree of its own."],
    values: TRUE,
  }),
  carried("spec.imagePullSecrets", "Tried longest path first, then none, as in the kubelet.", {
    fly: ["approximated", "Fly pulls without credentials of others."],
  }),
  refused("spec.runtimeClassName", "There is one way to run a Machine, the class `fks`.", {
    values: not("fks"),
  }),
  carried("spec.overhead", "Counts for the Machine's size, and for the scheduler."),
  ...["requests", "limits"].flatMap((kind) => [
    ...["cpu", "memory"].map((resource) =>
      carried(
        `spec.resources.${kind}.${resource}`,
        "The Machine's size, for all containers together.",
      ),
    ),
    refused(`spec.resources.${kind}.*`, "A Machine has CPUs and memory for all of a Pod."),
  ]),
  refused("spec.resourceClaims", "Machines have no devices to claim."),
  refused("spec.os.name", "Machines run Linux.", { values: not("linux") }),
  carried(
    "spec.initContainers[].restartPolicy",
    "A sidecar: it starts before the others, is stopped after them, and keeps no Machine alive.",
    {
      fly: ["approximated", "A sidecar starts before the others; all are stopped at once."],
      values: exactly("Always"),
    },
  ),
  carried("spec.ephemeralContainers", "They join the running Machine, and are never restarted.", {
    fly: ["approximated", "A running Machine takes no further containers: they do not run."],
  }),

  carried("spec.securityContext.runAsUser", "The user of the container's processes."),
  carried("spec.securityContext.runAsGroup", "The group of the containers' processes.", {
    fly: ["refused", "A group alone cannot be set without a user."],
    values: WITHOUT_USER,
  }),
  carried("spec.securityContext.runAsNonRoot", "The image's user is checked before it runs.", {
    fly: ["refused", "The image's user is not checked before it runs."],
    values: NOT_PROVEN_NON_ROOT,
  }),
  carried("spec.securityContext.fsGroup", "It owns the volumes, and every process is in it.", {
    fly: ["refused", "Files of volumes keep the owner root."],
  }),
  carried(
    "spec.securityContext.fsGroupChangePolicy",
    "A claim's files go to the group once, when their folder is not its own; other volumes start afresh.",
  ),
  carried("spec.securityContext.supplementalGroups", "Every process is in them.", {
    fly: ["refused", "The image's groups are the container's."],
  }),
  carried(
    "spec.securityContext.supplementalGroupsPolicy",
    "Strict leaves out the image's groups.",
    {
      fly: ["refused", "The image's groups are the container's."],
      values: not("Merge"),
    },
  ),
  carried(
    "spec.securityContext.sysctls",
    "The safe ones, in the Machine's own namespaces; another fails the Pod, `SysctlForbidden`.",
    { fly: ["refused", "Fly has no field for it."] },
  ),
  carried("spec.securityContext.seccompProfile.type", "The runtime's own profile, or none.", {
    fly: ["approximated", "The Machine's own kernel is the boundary."],
  }),
  carried(
    "spec.securityContext.seccompProfile.localhostProfile",
    "A file below `seccomp` in the data directory of fks-node.",
    { fly: ["refused", "Fly's hosts have no seccomp profiles of ours."] },
  ),
  approximated("spec.securityContext.appArmorProfile", "No AppArmor profile is applied."),
  approximated("spec.securityContext.seLinuxOptions", "No SELinux label is applied."),
  approximated("spec.securityContext.seLinuxChangePolicy", "No SELinux label is applied."),
  refused("spec.securityContext.windowsOptions", "Machines run Linux."),
];
