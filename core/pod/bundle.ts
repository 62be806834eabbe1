import type { Machine } from "../fly/machine.ts";
import type { Bundle, ContainerBundle, ContainerResources } from "../fly/machine-protocol.ts";
import { expand } from "../kube/expansion.ts";
import type { Container, Pod } from "../kube/pod.ts";
import { millisOf, wholeOf } from "../kube/quantity.ts";
import { membersOf } from "./container-roles.ts";
import { type ApiServerAddress, type EnvSources, envFor } from "./env.ts";
import { pullCredentialsFor } from "./pull-credentials.ts";
import type { PodSources, Surroundings } from "./sources.ts";
import { volumeFilesFor } from "./volumes.ts";

/** What the API server and the Node had to say about the Pod. */
export interface BundleSources extends PodSources, Omit<Surroundings, "podIP"> {
  readonly apiServer: ApiServerAddress;
}

/** All that the Machine's config must not show, or cannot say. Pure. */
export function bundleFor(
  pod: Pod,
  sources: BundleSources,
  machine: Pick<Machine, "private_ip">,
): Bundle {
  const at = { ...sources, podIP: machine.private_ip };
  // The Machine writes the lines of its own names.
  const hosts = pod.spec.hostAliases ?? [];
  const { credentials } = pullCredentialsFor(pod, sources);
  return {
    containers: Object.fromEntries(
      membersOf(pod).map(({ container }) => [container.name, containerFor(pod, container, at)]),
    ),
    volumes: volumeFilesFor(pod, at),
    ...(hosts.length === 0
      ? {}
      : { hosts: hosts.map(({ ip, hostnames = [] }) => ({ ip, hostnames })) }),
    ...(credentials.length === 0 ? {} : { pullCredentials: credentials }),
  };
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
  const readOnlyMounts = container.volumeMounts?.filter(({ readOnly }) => readOnly === true) ?? [];
  const resources = resourcesFor(container);
  const reason = "CreateContainerConfigError";
  return {
    ...(found.ok ? {} : { refused: { reason, message: found.message } }),
    env,
    ...(entrypoint === undefined ? {} : { entrypoint }),
    ...(cmd === undefined ? {} : { cmd }),
    ...(workingDir === undefined ? {} : { workingDir }),
    ...(imagePullPolicy === undefined ? {} : { imagePullPolicy }),
    ...(resources === undefined ? {} : { resources }),
    ...(readOnlyMounts.length === 0
      ? {}
      : { readOnlyMounts: readOnlyMounts.map(({ name }) => name) }),
  };
}

function resourcesFor({ resources }: Container): ContainerResources | undefined {
  const { cpu, memory } = resources?.limits ?? {};
  if (cpu === undefined && memory === undefined) return undefined;
  return {
    ...(cpu === undefined ? {} : { cpu_millis: millisOf(cpu) }),
    ...(memory === undefined ? {} : { memory_bytes: wholeOf(memory) }),
  };
}
