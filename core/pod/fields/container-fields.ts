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

const UNKNOWN_RESOURCE = "A Machine has CPUs and memory, nothing else that can be asked for.";
const PROBE =
  "It is not run yet: the container counts as started and ready as soon as it runs, and is never restarted for it.";

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
  approximated("resources.requests.ephemeral-storage", "A Machine's disk has one fixed size."),
  approximated("resources.limits.ephemeral-storage", "A Machine's disk has one fixed size."),
  refused("resources.requests.*", UNKNOWN_RESOURCE),
  refused("resources.limits.*", UNKNOWN_RESOURCE),
  refused("resources.claims", "Machines have no devices to claim."),
  carried("resizePolicy", "Accepted: a running Machine is never resized."),
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
  refused("volumeMounts[].subPath", "A mount shows a whole volume."),
  refused("volumeMounts[].subPathExpr", "A mount shows a whole volume."),
  refused("volumeMounts[].mountPropagation", "Mounts of a Machine's containers stay their own.", {
    values: not("None"),
  }),
  refused("volumeDevices", "Machines have no block devices to hand out."),
  approximated("readinessProbe", PROBE),
  approximated("livenessProbe", PROBE),
  approximated("startupProbe", PROBE),
  refused("lifecycle.postStart", "Hooks are not run yet."),
  refused("lifecycle.preStop", "Hooks are not run yet."),
  carried("lifecycle.stopSignal", "The container's stop signal."),
  approximated("terminationMessagePath", "The file is not read: a message stays empty.", {
    values: not("/dev/termination-log"),
  }),
  approximated("terminationMessagePolicy", "Logs are not read: a message stays empty.", {
    values: not("File"),
  }),
  refused("stdin", "Standard input of a Machine's main process cannot be attached to.", {
    values: TRUE,
  }),
  refused("stdinOnce", "Standard input of a Machine's main process cannot be attached to.", {
    values: TRUE,
  }),
  refused("tty", "A Machine's main process has no terminal; `kubectl exec -t` gives one.", {
    values: TRUE,
  }),
  refused("securityContext.privileged", "A container keeps to its Machine.", { values: TRUE }),
  carried("securityContext.runAsUser", "The user of the container's processes."),
  refused("securityContext.runAsGroup", "A group alone cannot be set without a user.", {
    values: WITHOUT_USER,
  }),
  refused("securityContext.runAsNonRoot", "The image's user is not checked before it runs.", {
    values: NOT_PROVEN_NON_ROOT,
  }),
  refused("securityContext.capabilities.add", "Containers get the runtime's usual capabilities."),
  approximated("securityContext.capabilities.drop", "Containers keep the usual capabilities."),
  approximated("securityContext.readOnlyRootFilesystem", "The root file system stays writable.", {
    values: TRUE,
  }),
  approximated("securityContext.allowPrivilegeEscalation", "Set-user-ID programs go on working.", {
    values: FALSE,
  }),
  approximated("securityContext.seccompProfile", "The runtime's own profile is used."),
  approximated("securityContext.appArmorProfile", "No AppArmor profile is applied."),
  approximated("securityContext.seLinuxOptions", "No SELinux label is applied."),
  refused("securityContext.procMount", "/proc is mounted as usual.", { values: not("Default") }),
  refused("securityContext.windowsOptions", "Machines run Linux."),
];
