import type { Machine } from "../fly/machine.ts";
import type {
  AddedContainer,
  Bundle,
  ContainerBundle,
  RestartRule,
} from "../fly/machine-protocol.ts";
import { expand } from "../kube/expansion.ts";
import type { Container, Pod } from "../kube/pod.ts";
import { timeOf } from "../kube/time.ts";
import { hooksFor, probesFor } from "./actions.ts";
import { readOnlyClaims } from "./claims.ts";
import { type Member, membersOf } from "./container-roles.ts";
import { type ApiServerAddress, type EnvResult, type EnvSources, envFor } from "./env.ts";
import { type MountsResult, mountsFor } from "./mounts.ts";
import { oomScoreFor } from "./oom-score.ts";
import { startTimeFor } from "./pod-status.ts";
import { pullCredentialsFor } from "./pull-credentials.ts";
import { allocatedPod, limitsFor, restartOnResizeFor } from "./resize.ts";
import { podSecurityFor, securityFor } from "./security.ts";
import type { PodSources, Surroundings } from "./sources.ts";
import { volumeImagesFor } from "./volume-images.ts";
import { volumeFilesFor } from "./volumes.ts";

/** What the API server and the Node had to say about the Pod. */
export interface BundleSources extends PodSources, Omit<Surroundings, "podIP"> {
  readonly apiServer: ApiServerAddress;
}

/** All that the Machine's config must not show, or cannot say. Pure. */
export function bundleFor(
  asked: Pod,
  sources: BundleSources,
  machine: Pick<Machine, "private_ip" | "created_at" | "config">,
): Bundle {
  const pod = allocatedPod(asked, machine);
  const at = { ...sources, podIP: machine.private_ip };
  // The Machine writes the lines of its own names.
  const hosts = pod.spec.hostAliases ?? [];
  const { credentials } = pullCredentialsFor(pod, sources);
  return {
    containers: Object.fromEntries(
      membersOf(pod).map(({ container }) => [container.name, containerFor(pod, container, at)]),
    ),
    volumes: volumeFilesFor(pod, at),
    ...volumeImagesFor(pod),
    ...(hosts.length === 0
      ? {}
      : { hosts: hosts.map(({ ip, hostnames = [] }) => ({ ip, hostnames })) }),
    ...(credentials.length === 0 ? {} : { pullCredentials: credentials }),
    ...podSecurityFor(pod),
    ...deadlineFor(pod, machine),
  };
}

/** The container that joins a running Machine, with its own part of what the bundle says. */
export function addedContainerFor(
  pod: Pod,
  { container }: Member,
  sources: BundleSources,
  machine: Pick<Machine, "private_ip">,
): AddedContainer {
  const { targetContainerName: target = "" } = container;
  const bundle = containerFor(pod, container, { ...sources, podIP: machine.private_ip });
  return { image: container.image, ...(target === "" ? {} : { target }), bundle };
}

function deadlineFor(
  pod: Pod,
  { created_at }: Pick<Machine, "created_at">,
): Pick<Bundle, "deadlineAt"> {
  const { activeDeadlineSeconds } = pod.spec;
  if (activeDeadlineSeconds === undefined) return {};
  const endMs = Date.parse(startTimeFor(pod, created_at)) + activeDeadlineSeconds * 1000;
  return { deadlineAt: timeOf(endMs) };
}

function containerFor(pod: Pod, container: Container, at: EnvSources): ContainerBundle {
  const found = envFor(pod, container, at);
  const env = found.ok ? found.env : [];
  const variables = new Map(env.map(({ name, value }) => [name, value]));
  const { command, args, workingDir, imagePullPolicy } = container;
  const entrypoint = command?.map((word) => expand(word, variables));
  // A command of one's own also drops the image's arguments.
  const cmd = (args ?? (command === undefined ? undefined : []))?.map((word) =>
    expand(word, variables),
  );
  const mounts = mountsFor(container, variables, readOnlyClaims(pod));
  return {
    ...refusedFor(found, mounts),
    env,
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
    ...(workingDir === undefined ? {} : { workingDir }),
    ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    resources: limitsFor(container),
    ...restartOnResizeFor(container),
    ...oomScoreFor(pod, container, at.allocatable),
    ...(mounts.ok && mounts.mounts.length > 0 ? { mounts: mounts.mounts } : {}),
    ...probesFor(container),
    ...hooksFor(container),
    ...securityFor(pod, container),
    ...terminationMessageFor(container),
    ...streamsFor(container),
    ...restartRulesFor(container),
  };
}

/** The first reason why it cannot start. */
function refusedFor(env: EnvResult, mounts: MountsResult): Pick<ContainerBundle, "refused"> {
  const failed = [env, mounts].find(({ ok }) => !ok);
  if (failed === undefined || failed.ok) return {};
  return { refused: { reason: "CreateContainerConfigError", message: failed.message } };
}

function terminationMessageFor(container: Container): Pick<ContainerBundle, "terminationMessage"> {
  const { terminationMessagePath, terminationMessagePolicy } = container;
  if (terminationMessagePath === undefined) return {};
  const fallsBackToLogs = terminationMessagePolicy === "FallbackToLogsOnError";
  return { terminationMessage: { path: terminationMessagePath, fallsBackToLogs } };
}

function streamsFor({ stdin, stdinOnce, tty }: Container) {
  return {
    ...(stdin === true ? { stdin } : {}),
    ...(stdin === true && stdinOnce === true ? { stdinOnce } : {}),
    ...(tty === true ? { tty } : {}),
  };
}

function restartRulesFor({
  restartPolicyRules = [],
}: Container): Pick<ContainerBundle, "restartRules"> {
  const rules = restartPolicyRules.flatMap(({ action, exitCodes }): readonly RestartRule[] => {
    if (action !== "Restart" || exitCodes?.operator === undefined) return [];
    const { operator, values = [] } = exitCodes;
    return [{ action: "restart", operator, exitCodes: values }];
  });
  return rules.length === 0 ? {} : { restartRules: rules };
}
