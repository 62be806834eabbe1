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

const FIXED_DISK = "A Machine's disk has one fixed size.";
const EXTENDED_RESOURCE = "The scheduler counts it; the container gets nothing for it.";
const HUGE_PAGES = "A Machine has no huge pages to hand out.";
const WHOLE_VOLUME = "A mount shows a whole volume.";
const STARTUP = "The container counts as started when it has passed.";
const FLY_STARTUP =
  "The container counts as started as soon as it runs; its time is added to the liveness check's grace.";
const READINESS = "The container counts as ready while it passes.";
const FLY_READINESS = "The container counts as ready as soon as it runs.";
const LIVENESS = "The container is restarted when it fails.";
const FLY_LIVENESS =
  "A check of the Machine that stops the container; its delay is a grace period.";
const PROBE_GRACE = "From SIGTERM to SIGKILL when this probe ends the container.";
const FLY_PROBE_GRACE = ["approximated", "The Machine's own stop timeout holds."] as const;
const PROBE_NUMBERS = [
  "initialDelaySeconds",
  "periodSeconds",
  "timeoutSeconds",
  "successThreshold",
  "failureThreshold",
] as const;
const HOOK: Readonly<Record<string, string>> = {
  postStart: "Run beside the container's start; a failure ends the container.",
  preStop: "Run before SIGTERM, within the grace period.",
};
const FLY_HOOK = "Fly runs no hooks.";
const PROFILE = "A file below `seccomp` in the data directory of fks-node.";
const NO_PROFILES = "Fly's hosts have no seccomp profiles of ours.";

const FOLLOWED = "Read again within a minute; a container sees it from its next start on.";
const NO_SECRETS = "A Machine's config shows everything in it: Secrets need the Machine protocol.";

/** The fields of each item of `spec.containers`. */
export const CONTAINER_FIELDS: readonly PodField[] = [
  carried("name", "The container's name in the Machine."),
  carried("image", "The container's image."),
  carried("imagePullPolicy", "As a kubelet follows it.", {
    fly: ["refused", "Fly always pulls."],
    values: exactly("Never"),
  }),
  carried("command", "The container's entrypoint, variables expanded."),
  carried("args", "The container's cmd, variables expanded."),
  carried("workingDir", "Where the container's command starts.", {
    fly: ["refused", "Fly has no field for it."],
  }),
  carried("env[].name", "A variable of the container, in the order written."),
  carried("env[].value", "Expanded from the variables before it."),
  carried("env[].valueFrom.fieldRef", "Resolved when the Machine's address is known."),
  carried("env[].valueFrom.resourceFieldRef", "A limit that is not set is what the Node has.", {
    fly: ["refused", "Without the Machine protocol variables from resources are not carried."],
  }),
  carried("env[].valueFrom.configMapKeyRef", FOLLOWED, {
    fly: ["refused", "Without the Machine protocol nothing of a ConfigMap reaches a Machine."],
  }),
  carried("env[].valueFrom.secretKeyRef", FOLLOWED, { fly: ["refused", NO_SECRETS] }),
  refused("env[].valueFrom.fileKeyRef", "Variables from files are not carried."),
  carried("envFrom[].prefix", "Stands before each key.", { fly: ["refused", NO_SECRETS] }),
  carried("envFrom[].configMapRef", FOLLOWED, {
    fly: ["refused", "Without the Machine protocol nothing of a ConfigMap reaches a Machine."],
  }),
  carried("envFrom[].secretRef", FOLLOWED, { fly: ["refused", NO_SECRETS] }),
  carried("ports[].name", "Known to Services; it opens nothing."),
  carried("ports[].containerPort", "Known to Services; a Machine's ports are all open inside 6PN."),
  carried("ports[].protocol", "Known to Services."),
  approximated(
    "ports[].hostPort",
    "A Machine has an address of its own; the host's port stays free.",
  ),
  approximated(
    "ports[].hostIP",
    "A Machine has an address of its own; the host's port stays free.",
  ),
  carried("resources.requests.cpu", "Counts for the Machine's size, and for the scheduler."),
  carried("resources.requests.memory", "Counts for the Machine's size, and for the scheduler."),
  carried("resources.limits.cpu", "The container's hard limit, and the Machine's size.", {
    fly: ["approximated", "It counts for the Machine's size; no container has a limit of its own."],
  }),
  carried("resources.limits.memory", "The container's hard limit, and the Machine's size.", {
    fly: ["approximated", "It counts for the Machine's size; no container has a limit of its own."],
  }),
  carried(
    "resources.requests.ephemeral-storage",
    "Counts for the scheduler, and for the order in which Pods are evicted.",
    { fly: ["approximated", FIXED_DISK] },
  ),
  carried(
    "resources.limits.ephemeral-storage",
    "A Pod that writes more, logs and volumes counted, is evicted.",
    { fly: ["approximated", FIXED_DISK] },
  ),
  ...["requests", "limits"].flatMap((kind) => [
    refused(`resources.${kind}.hugepages-2Mi`, HUGE_PAGES),
    refused(`resources.${kind}.hugepages-1Gi`, HUGE_PAGES),
    approximated(`resources.${kind}.*`, EXTENDED_RESOURCE),
  ]),
  refused("resources.claims", "Machines have no devices to claim."),
  carried("resizePolicy[].resourceName", "New limits hold at once, within the Machine's size.", {
    fly: ["carried", "Accepted: a running Machine is never resized."],
  }),
  carried("resizePolicy[].restartPolicy", "The container is started anew with its new limits.", {
    fly: ["approximated", "A running Machine is never resized."],
    values: exactly("RestartContainer"),
  }),
  carried("restartPolicy", "It wins over the Pod's."),
  refused("restartPolicyRules[].action", "Only this container can be started again by a rule.", {
    values: not("Restart"),
  }),
  carried("restartPolicyRules[].exitCodes", "The first rule that fits decides over a restart.", {
    fly: ["refused", "Fly restarts by a policy alone."],
  }),
  carried("volumeMounts[].name", "A volume of the Machine."),
  carried("volumeMounts[].mountPath", "Where the container sees it."),
  carried("volumeMounts[].readOnly", "The container cannot write to it.", {
    fly: ["approximated", "The container can write to it."],
  }),
  refused("volumeMounts[].recursiveReadOnly", "Mounts below a mount stay writable.", {
    values: not("Disabled"),
  }),
  carried("volumeMounts[].subPath", "That part of the volume; made when it is not there.", {
    fly: ["refused", WHOLE_VOLUME],
  }),
  carried("volumeMounts[].subPathExpr", "Expanded from the container's own variables.", {
    fly: ["refused", WHOLE_VOLUME],
  }),
  refused("volumeMounts[].mountPropagation", "Mounts of a Machine's containers stay their own.", {
    values: not("None"),
  }),
  refused("volumeDevices", "Machines have no block devices to hand out."),
  ...["exec", "httpGet", "tcpSocket"].flatMap((handler) => [
    carried(`startupProbe.${handler}`, STARTUP, { fly: ["approximated", FLY_STARTUP] }),
    carried(`readinessProbe.${handler}`, READINESS, { fly: ["approximated", FLY_READINESS] }),
    carried(`livenessProbe.${handler}`, LIVENESS, { fly: ["approximated", FLY_LIVENESS] }),
  ]),
  carried("startupProbe.grpc", STARTUP, { fly: ["approximated", FLY_STARTUP] }),
  carried("readinessProbe.grpc", READINESS, { fly: ["approximated", FLY_READINESS] }),
  carried("livenessProbe.grpc", LIVENESS, { fly: ["refused", "Fly has no checks by gRPC."] }),
  ...["startupProbe", "readinessProbe", "livenessProbe"].flatMap((probe) =>
    PROBE_NUMBERS.map((number) => carried(`${probe}.${number}`, "Counted as a kubelet counts it.")),
  ),
  carried("startupProbe.terminationGracePeriodSeconds", PROBE_GRACE, { fly: FLY_PROBE_GRACE }),
  carried("livenessProbe.terminationGracePeriodSeconds", PROBE_GRACE, { fly: FLY_PROBE_GRACE }),
  ...["postStart", "preStop"].flatMap((hook) => [
    ...["exec", "httpGet", "sleep"].map((handler) =>
      carried(`lifecycle.${hook}.${handler}`, HOOK[hook] ?? "", { fly: ["refused", FLY_HOOK] }),
    ),
    refused(`lifecycle.${hook}.tcpSocket`, "A hook that connects fails at every kubelet."),
  ]),
  carried("lifecycle.stopSignal", "The container's stop signal."),
  carried("terminationMessagePath", "Its text becomes the message of the container's end.", {
    fly: ["approximated", "The file is not read: a message stays empty."],
    values: not("/dev/termination-log"),
  }),
  carried("terminationMessagePolicy", "The last lines of the log where the file is empty.", {
    fly: ["approximated", "Logs are not read: a message stays empty."],
    values: not("File"),
  }),
  carried("stdin", "`kubectl attach -i` writes to it.", {
    fly: ["refused", "Standard input of a Machine's main process cannot be attached to."],
    values: TRUE,
  }),
  carried("stdinOnce", "It ends with the first that attaches.", {
    fly: ["refused", "Standard input of a Machine's main process cannot be attached to."],
    values: TRUE,
  }),
  carried("tty", "The main process has a terminal.", {
    fly: ["refused", "A Machine's main process has no terminal; `kubectl exec -t` gives one."],
    values: TRUE,
  }),
  carried("securityContext.privileged", "Every capability, and all of the Machine's own devices.", {
    fly: ["refused", "Fly has no field for it."],
    values: TRUE,
  }),
  carried("securityContext.runAsUser", "The user of the container's processes."),
  carried("securityContext.runAsGroup", "The group of the container's processes.", {
    fly: ["refused", "A group alone cannot be set without a user."],
    values: WITHOUT_USER,
  }),
  carried("securityContext.runAsNonRoot", "The image's user is checked before it runs.", {
    fly: ["refused", "The image's user is not checked before it runs."],
    values: NOT_PROVEN_NON_ROOT,
  }),
  carried("securityContext.capabilities.add", "Beside the runtime's usual capabilities.", {
    fly: ["refused", "Containers get the usual capabilities."],
  }),
  carried("securityContext.capabilities.drop", "Taken from the runtime's usual capabilities.", {
    fly: ["approximated", "Containers keep the usual capabilities."],
  }),
  carried("securityContext.readOnlyRootFilesystem", "Only volumes can be written to.", {
    fly: ["approximated", "The root file system stays writable."],
    values: TRUE,
  }),
  carried("securityContext.allowPrivilegeEscalation", "Set-user-ID programs gain nothing.", {
    fly: ["approximated", "Set-user-ID programs go on working."],
    values: FALSE,
  }),
  carried("securityContext.seccompProfile.type", "The runtime's own profile, or none.", {
    fly: ["approximated", "The Machine's own kernel is the boundary."],
  }),
  carried("securityContext.seccompProfile.localhostProfile", PROFILE, {
    fly: ["refused", NO_PROFILES],
  }),
  approximated("securityContext.appArmorProfile", "No AppArmor profile is applied."),
  approximated("securityContext.seLinuxOptions", "No SELinux label is applied."),
  carried("securityContext.procMount", "Nothing of /proc is hidden.", {
    fly: ["refused", "/proc is mounted as usual."],
    values: not("Default"),
  }),
  refused("securityContext.windowsOptions", "Machines run Linux."),
];
