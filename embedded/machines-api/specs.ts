/**
 * What the runtime is told: a record, its bundle and an image become a container, ready to start.
 */

import type {
  ContainerConfig,
  GuestConfig,
  MachineConfig,
  MachineFile,
} from "#core/fly/machine.ts";
import type { Bundle, ContainerBundle } from "#core/fly/machine-protocol.ts";
import { RESOLVER } from "#core/fly/network.ts";
import type { Image } from "./images/images.ts";
import { configOf } from "./policy.ts";
import { CONTAINER_PATH } from "./program-path.ts";
import { type ContainerRecord, iso, type MachineRecord } from "./record.ts";
import type {
  ContainerLimits,
  ContainerSpec,
  FileSpec,
  MachineAddress,
  MachineSpec,
} from "./runtime/runtime.ts";
import { type FolderOf, mountsOf } from "./volume-specs.ts";

const MIB = 1024 * 1024;
const DEFAULT_GUEST: GuestConfig = { cpu_kind: "shared", cpus: 1, memory_mb: 256 };

export function guestOf(config: MachineConfig): GuestConfig {
  return { ...DEFAULT_GUEST, ...config.guest };
}

/** The Machine's network and limits. Pure. */
export function machineSpecFor(
  record: MachineRecord,
  address: MachineAddress,
  bundle: Bundle | undefined,
): MachineSpec {
  const { dns = {} } = record.config;
  const guest = guestOf(record.config);
  const hostname = hostnameOf(record);
  return {
    machineId: record.id,
    app: record.app,
    hostname,
    address,
    hosts: [
      { ip: address.ipv6, hostnames: [...namesOf(hostname, dns.hostname_fqdn), "fly-local-6pn"] },
      { ip: address.ipv4, hostnames: ["fly-global-services"] },
      ...(bundle?.hosts ?? []),
    ],
    dns: {
      nameservers: dns.nameservers ?? [RESOLVER],
      searches: dns.searches ?? [],
      options: (dns.options ?? []).map(({ name, value }) =>
        value === undefined || value === "" ? name : `${name}:${value}`,
      ),
    },
    cpuMillis: guest.cpus * 1_000,
    memoryBytes: guest.memory_mb * MIB,
    sysctls: bundle?.sysctls ?? {},
    sharesProcesses: bundle?.sharesProcesses ?? false,
    fsGroup: bundle?.fsGroup,
  };
}

/** The full name first, as a kubelet writes them; the host name may be the full one itself. */
function namesOf(hostname: string, fqdn: string | undefined): readonly string[] {
  if (fqdn === undefined) return [hostname];
  return [fqdn, hostname === fqdn ? (hostname.split(".")[0] ?? "") : hostname];
}

function hostnameOf({ config, id }: MachineRecord): string {
  return config.dns?.hostname ?? id;
}

export type SpecResult =
  | { readonly ok: true; readonly spec: ContainerSpec }
  /** The kubelet's `CreateContainerConfigError`: nothing but another configuration can help. */
  | { readonly ok: false; readonly message: string; readonly isWorthRetrying?: boolean };

interface SpecSource {
  readonly record: MachineRecord;
  readonly container: ContainerRecord;
  readonly attempt: number;
  readonly image: Image;
  /** By name of the volume the image it shows. */
  readonly volumeImages: ReadonlyMap<string, Image>;
  readonly address: MachineAddress;
  readonly bundle: Bundle | undefined;
  readonly folderOf: FolderOf;
}

/** Everything about one start of one container, or why there can be none. Pure. */
export function containerSpecFor(source: SpecSource): SpecResult {
  const { record, container, attempt, image, bundle } = source;
  const config = configOf(record, container.name);
  if (config === undefined) return refused(`container "${container.name}" is not in the config`);
  const given = bundle?.containers[container.name] ?? {};
  const mounts = mountsOf(record.config, config, bundle, source.volumeImages, source.folderOf);
  if (typeof mounts === "string") return refused(mounts);
  const files = filesOf([...(record.config.files ?? []), ...(config.files ?? [])]);
  if (typeof files === "string") return refused(files);
  const target = targetOf(record, container.name);
  if (typeof target === "string") return { ok: false, message: target, isWorthRetrying: true };
  const args = argsOf(source, config);
  if (args.length === 0) return refused("no command specified");
  return {
    ok: true,
    spec: {
      id: { machineId: record.id, name: container.name, attempt },
      ...(target === undefined ? {} : { target }),
      image: image.config,
      imageRoot: image.root,
      args,
      env: envOf(source, config),
      cwd: given.workingDir ?? (image.config.WorkingDir || "/"),
      user: config.user ?? image.config.User ?? "",
      ...identityFor(record.config, bundle, given),
      ...limitsOf(given),
      oomScoreAdj: given.oomScoreAdj,
      mounts,
      files,
      terminationMessagePath: given.terminationMessage?.path,
    },
  };
}

function limitsOf({ resources = {} }: ContainerBundle): ContainerLimits {
  const { cpu_millis, memory_bytes, cpu_shares } = resources;
  return { cpuMillis: cpu_millis, memoryBytes: memory_bytes, cpuShares: cpu_shares };
}

/** Who its processes are, and what they are connected to. */
function identityFor(machine: MachineConfig, bundle: Bundle | undefined, given: ContainerBundle) {
  return {
    groups: bundle?.fsGroup === undefined ? [] : [bundle.fsGroup],
    security: given.security,
    sharesProcesses: bundle?.sharesProcesses ?? false,
    stdin: given.stdin ?? false,
    stdinOnce: given.stdinOnce ?? false,
    tty: given.tty ?? hasTerminal(machine),
  };
}

/** Of a Machine with one image. */
function hasTerminal({ containers, init }: MachineConfig): boolean {
  return containers === undefined && init?.tty === true;
}

/** The running container whose processes this one sees. */
function targetOf({ id, added, containers }: MachineRecord, name: string) {
  const target = added?.find((one) => one.name === name)?.target;
  if (target === undefined) return undefined;
  const found = containers.find((one) => one.name === target && one.phase === "running");
  if (found === undefined) return `unable to find target container ${JSON.stringify(target)}`;
  return { machineId: id, name: target, attempt: found.attempt };
}

function refused(message: string): SpecResult {
  return { ok: false, message };
}

/** As in Kubernetes and Docker an entrypoint of one's own makes the image's arguments void. */
function argsOf(source: SpecSource, config: ContainerConfig): readonly string[] {
  const given = source.bundle?.containers[config.name] ?? {};
  if (given.entrypoint === undefined && given.cmd === undefined && (config.exec ?? []).length > 0) {
    return config.exec ?? [];
  }
  const entrypoint = given.entrypoint ?? config.entrypoint;
  const cmd = given.cmd ?? config.cmd;
  const image = source.image.config;
  const isOwn = entrypoint !== undefined && entrypoint.length > 0;
  return [
    ...(isOwn ? entrypoint : (image.Entrypoint ?? [])),
    ...(cmd !== undefined && cmd.length > 0 ? cmd : isOwn ? [] : (image.Cmd ?? [])),
  ];
}

/** Later ones win: the image, the platform, the Machine, the container, the bundle. */
function envOf(source: SpecSource, config: ContainerConfig): readonly string[] {
  const { record, image, bundle } = source;
  const env = new Map([
    ["PATH", CONTAINER_PATH],
    ["HOSTNAME", hostnameOf(record)],
  ]);
  for (const line of image.config.Env ?? []) {
    const [name = "", ...value] = line.split("=");
    env.set(name, value.join("="));
  }
  const platform = platformEnv(source);
  for (const [name, value] of Object.entries(platform)) env.set(name, value);
  for (const [name, value] of Object.entries(record.config.env ?? {})) env.set(name, value);
  for (const [name, value] of Object.entries(config.env ?? {})) env.set(name, value);
  for (const { env_var, field_ref } of config.env_from ?? []) {
    env.set(env_var, platform[FIELD_ENV[field_ref]] ?? "");
  }
  for (const { name, value } of bundle?.containers[config.name]?.env ?? []) env.set(name, value);
  return [...env].map(([name, value]) => `${name}=${value}`);
}

const FIELD_ENV = {
  id: "FLY_MACHINE_ID",
  version: "FLY_MACHINE_VERSION",
  app_name: "FLY_APP_NAME",
  private_ip: "FLY_PRIVATE_IP",
  region: "FLY_REGION",
  image: "FLY_IMAGE_REF",
} as const;

function platformEnv({ record, image, address }: SpecSource): Record<string, string> {
  return {
    FLY_APP_NAME: record.app,
    FLY_MACHINE_ID: record.id,
    FLY_ALLOC_ID: record.id,
    FLY_REGION: record.region,
    FLY_IMAGE_REF: image.reference,
    FLY_MACHINE_VERSION: record.instanceId,
    FLY_PRIVATE_IP: address.ipv6,
    FLY_PROCESS_GROUP: record.config.metadata?.["fly_process_group"] ?? "app",
    FLY_VM_MEMORY_MB: String(guestOf(record.config).memory_mb),
    PRIMARY_REGION: record.region,
  };
}

const DEFAULT_MODE = 0o644;

function filesOf(files: readonly MachineFile[]): readonly FileSpec[] | string {
  const specs: FileSpec[] = [];
  for (const { guest_path, raw_value, secret_name, mode = DEFAULT_MODE } of files) {
    if (raw_value === undefined) {
      return `file "${guest_path}": ${secret_name === undefined ? "no content" : `secret "${secret_name}" not found`}`;
    }
    specs.push({ path: guest_path, mode, content: bytesOf(raw_value) });
  }
  return specs;
}

function bytesOf(base64: string): Uint8Array {
  return Buffer.from(base64, "base64");
}

/** `repository@digest`, as Kubernetes shows the image that runs. */
export function imageIdOf(image: Image): string {
  const separator = image.registry === "" ? "" : "/";
  return `${image.registry}${separator}${image.repository}@${image.digest}`;
}

/** The kubelet's words for an image that is here now. */
export function pulledMessage(image: Image, wanted: string): string {
  if (image.source === "pulled") {
    const took = `${(image.tookMs / 1_000).toFixed(3)}s`;
    return `Successfully pulled image "${wanted}" in ${took} (${took} including waiting). Image size: ${image.sizeBytes} bytes.`;
  }
  return image.source === "loaded"
    ? `Container image "${wanted}" was loaded from a file and is already present on machine`
    : `Container image "${wanted}" already present on machine`;
}

export const readyAtOf = (record: MachineRecord): string | undefined =>
  record.networkReadyMs === undefined ? undefined : iso(record.networkReadyMs);
