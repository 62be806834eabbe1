import { FksError } from "../errors.ts";
import type {
  ContainerConfig,
  ContainerDependency,
  ContainerVolume,
  EnvFrom,
  MachineConfig,
} from "../fly/machine.ts";
import { AWAITS_KEY, INIT_KEY, SIDECARS_KEY } from "../fly/machine-protocol.ts";
import { expand } from "../kube/expansion.ts";
import { fieldValueFor } from "../kube/field-ref.ts";
import type { Container, Pod } from "../kube/pod.ts";
import { wholeOf } from "../kube/quantity.ts";
import { portFor, portRefsOf } from "./actions.ts";
import { claimFindings, isClaim, machineMountsFor } from "./claims.ts";
import { type Member, membersOf, restartPolicyFor } from "./container-roles.ts";
import { type ClusterDns, dnsConfigFor, dnsFindings } from "./dns-config.ts";
import { type ApiServerAddress, apiServerEnv } from "./env.ts";
import { type Finding, findingsFor } from "./fields/check.ts";
import type { CapabilitySet } from "./fields/field.ts";
import { FLY_GRACE_MAX_SECONDS } from "./fields/pod-fields.ts";
import { userContextFor } from "./fields/user.ts";
import { DEFAULT_MEMORY_MB, guestFor, wishFor } from "./guest.ts";
import { healthChecksFor } from "./health-checks.ts";
import { stampsFor } from "./identity.ts";
import { isFilesVolume } from "./volumes.ts";

/** What the translation must know beside the Pod. */
export interface TranslationContext {
  readonly capabilities: CapabilitySet;
  readonly clusterUid: string;
  /** The InternalIP of the Pod's Node. */
  readonly hostIP: string;
  readonly apiServer: ApiServerAddress;
  /** The cluster's name servers and domain; absent: the Machine's own resolver serves alone. */
  readonly dns?: ClusterDns;
}

export type Translation =
  | {
      readonly ok: true;
      readonly config: MachineConfig;
      /** What the Machine does differently from what the Pod says. */
      readonly approximated: readonly Finding[];
    }
  | { readonly ok: false; readonly refused: readonly Finding[] };

/** Metadata key: how often each container had started before, `name=count,…`. */
export const RESTARTS_KEY = "fks_restarts";

const RESTART_POLICY = { Always: "always", OnFailure: "on-failure", Never: "no" } as const;
const DEFAULT_GRACE_SECONDS = 30;
const MIB = 2 ** 20;

/**
 * The Machine that runs `pod`, or every reason why none can; a mount of a claim still lacks its
 * volume (`withClaimedVolumes`). Pure and total.
 */
export function machineConfigFor(pod: Pod, context: TranslationContext): Translation {
  const { refused, approximated } = findingsFor(pod, context.capabilities);
  const size = sizeFor(pod);
  const reasons = [...refused, ...("refused" in size ? size.refused : [])];
  const names = dnsFindings(pod, context.dns);
  reasons.push(...unknownPorts(pod), ...names.refused);
  const onFly = context.capabilities === "fly" ? claimFindings(pod) : undefined;
  if (onFly !== undefined) reasons.push(...lateReferences(pod), ...onFly.refused);
  if (reasons.length > 0 || "refused" in size) return { ok: false, refused: reasons };

  const stamps = stampsFor(pod, context.clusterUid);
  const hasProtocol = context.capabilities === "machine-protocol";
  const volumes = volumesFor(pod, hasProtocol);
  const mounts = machineMountsFor(pod, hasProtocol);
  const graceSeconds = pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  const maxSeconds = hasProtocol ? Number.POSITIVE_INFINITY : FLY_GRACE_MAX_SECONDS;
  return {
    ok: true,
    config: {
      metadata: hasProtocol ? { ...stamps, ...orderFor(pod) } : { ...stamps },
      guest: size.guest,
      containers: membersOf(pod).map((member) => containerFor(pod, member, context)),
      ...(volumes.length === 0 ? {} : { volumes }),
      ...(mounts.length === 0 ? {} : { mounts }),
      stop_config: { signal: "SIGTERM", timeout: `${Math.min(graceSeconds, maxSeconds)}s` },
      dns: dnsConfigFor(pod, context.dns),
      auto_destroy: false,
    },
    approximated: [
      ...approximated,
      ...names.approximated,
      ...(onFly?.approximated ?? []),
      ...size.approximated,
    ],
  };
}

function sizeFor(pod: Pod) {
  const field = "spec.containers[].resources";
  try {
    for (const { emptyDir } of pod.spec.volumes ?? []) wholeOf(emptyDir?.sizeLimit ?? "0");
    const wish = wishFor(pod);
    const guest = guestFor(wish);
    const asked = `${wish.cpuMillis / 1000} CPUs and ${wish.memoryMb} MB`;
    if (guest === undefined) {
      return { refused: [{ field, sentence: `No Machine is large enough for ${asked}.` }] };
    }
    const sentence = `No memory is asked for: all containers together get ${DEFAULT_MEMORY_MB} MB.`;
    return { guest, approximated: wish.isDefault ? [{ field, sentence }] : [] };
  } catch (error) {
    if (!FksError.is(error, "InvalidInput")) throw error;
    return { refused: [{ field, sentence: `${error.message}.` }] };
  }
}

/** What the Machine protocol wants to know beforehand. */
function orderFor(pod: Pod): Readonly<Record<string, string>> {
  const members = membersOf(pod);
  const namesOf = (role: Member["role"]): string => {
    const named = members.filter((one) => one.role === role);
    return named.map(({ container }) => container.name).join(",");
  };
  const [init, sidecars] = [namesOf("init"), namesOf("sidecar")];
  return {
    [AWAITS_KEY]: "bundle",
    ...(init === "" ? {} : { [INIT_KEY]: init }),
    ...(sidecars === "" ? {} : { [SIDECARS_KEY]: sidecars }),
  };
}

/** Init containers and sidecars start one after the other, the others after all of them. */
function dependenciesOf(
  pod: Pod,
  { container, role }: Member,
  hasProtocol: boolean,
): readonly ContainerDependency[] {
  const early = membersOf(pod).filter((member) => member.role !== "main");
  const before = early.findIndex((member) => member.container === container) - 1;
  const meant = role === "main" ? early : early.slice(Math.max(0, before), before + 1);
  return meant.map((member): ContainerDependency => {
    const { name, startupProbe } = member.container;
    if (member.role === "init") return { name, condition: "exited_successfully" };
    // Where no startup probe is run, nothing else would ever make it healthy.
    const isProbed = hasProtocol && startupProbe !== undefined;
    return { name, condition: isProbed ? "healthy" : "started" };
  });
}

function containerFor(pod: Pod, member: Member, context: TranslationContext): ContainerConfig {
  const { container } = member;
  const { name, image, volumeMounts = [], lifecycle } = container;
  const hasProtocol = context.capabilities === "machine-protocol";
  const user = userFor(pod, container);
  const mounts = volumeMounts
    .filter((mount) => hasProtocol || isEmptyDir(pod, mount.name))
    .map((mount) => ({ name: mount.name, path: mount.mountPath }));
  const signal = lifecycle?.stopSignal;
  const dependencies = dependenciesOf(pod, member, hasProtocol);
  return {
    name,
    image,
    ...(user === undefined ? {} : { user }),
    ...(hasProtocol
      ? {}
      : { ...commandFor(pod, container, context), ...healthChecksFor(container) }),
    ...(mounts.length === 0 ? {} : { mounts }),
    ...(signal === undefined ? {} : { stop: { signal } }),
    restart: { policy: RESTART_POLICY[restartPolicyFor(pod, member)] },
    ...(dependencies.length === 0 ? {} : { depends_on: dependencies }),
  };
}

function userFor(pod: Pod, container: Container): string | undefined {
  const { runAsUser, runAsGroup } = userContextFor(pod, container);
  if (runAsUser === undefined) return undefined;
  return runAsGroup === undefined ? String(runAsUser) : `${runAsUser}:${runAsGroup}`;
}

/** Where there is no bundle, command and variables stand in the config. */
function commandFor(pod: Pod, container: Container, context: TranslationContext) {
  const { hostIP, apiServer } = context;
  const env = new Map(apiServerEnv(apiServer));
  const env_from: EnvFrom[] = [];
  for (const { name, value, valueFrom } of container.env ?? []) {
    const path = valueFrom?.fieldRef?.fieldPath;
    if (isAddressOfPod(path)) env_from.push({ env_var: name, field_ref: "private_ip" });
    else if (path === undefined) env.set(name, expand(value ?? "", env));
    else env.set(name, fieldValueFor(pod, path, { podIP: "", hostIP }) ?? "");
  }
  const { command, args } = container;
  const entrypoint = command?.map((word) => expand(word, env));
  const cmd = (args ?? (command === undefined ? undefined : []))?.map((word) => expand(word, env));
  return {
    env: Object.fromEntries(env),
    ...(env_from.length === 0 ? {} : { env_from }),
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
  };
}

/** Names of ports that no port of the container has. */
function unknownPorts(pod: Pod): readonly Finding[] {
  return membersOf(pod).flatMap(({ container, field }) => {
    const unknown = portRefsOf(container).filter((port) => portFor(container, port) === undefined);
    return [...new Set(unknown)].map((port) => ({
      field: `${field}.ports`,
      sentence: `A probe or hook asks for the port "${port}", which is not there.`,
    }));
  });
}

/** Text that needs the Machine's address before the Machine has one. */
function lateReferences(pod: Pod): readonly Finding[] {
  return membersOf(pod).flatMap(({ container, field }) => {
    const { env = [], command = [], args = [] } = container;
    const late = env.filter((one) => isAddressOfPod(one.valueFrom?.fieldRef?.fieldPath));
    const texts = [...env.map(({ value = "" }) => value), ...command, ...args];
    return late
      .filter(({ name }) => texts.some((text) => text.includes(`$(${name})`)))
      .map(({ name }) => ({
        field: `${field}.env`,
        sentence: `$(${name}) needs the Machine's address before there is one.`,
      }));
  });
}

function isAddressOfPod(fieldPath: string | undefined): boolean {
  return fieldPath === "status.podIP" || fieldPath === "status.podIPs";
}

function volumesFor(pod: Pod, hasProtocol: boolean): readonly ContainerVolume[] {
  return (pod.spec.volumes ?? []).flatMap((volume): readonly ContainerVolume[] => {
    const { name, emptyDir, image } = volume;
    if (isClaim(volume)) return [];
    const comesLater = isFilesVolume(volume) || image !== undefined;
    if (comesLater && !hasProtocol) return [];
    if (comesLater) return [{ name, temp_dir: { storage_type: "memory" } }];
    // A limit of 0 is none.
    const sizeMb = Math.ceil(wholeOf(emptyDir?.sizeLimit ?? "0") / MIB);
    const size = sizeMb > 0 ? { size_mb: sizeMb } : {};
    const storage_type = emptyDir?.medium === "Memory" ? "memory" : "disk";
    return [{ name, temp_dir: { storage_type, ...size } }];
  });
}

function isEmptyDir(pod: Pod, volume: string): boolean {
  const found = pod.spec.volumes?.find(({ name }) => name === volume);
  return found !== undefined && !isFilesVolume(found) && !isClaim(found);
}
