import type {
  ContainerConfig,
  MachineConfig,
  RestartConfig,
  StopConfig,
} from "#core/fly/machine.ts";
import { AWAITS_KEY, type RestartRule } from "#core/fly/machine-protocol.ts";
import {
  type BackOff,
  KUBELET_BACK_OFF,
  longer,
  PLAIN_BACK_OFF,
  parseGoDuration,
} from "./back-off.ts";
import type { Conduct } from "./conduct.ts";
import type { ContainerEnd, ContainerRecord, MachineRecord } from "./record.ts";
import { roleOf } from "./roles.ts";

/** How the containers of a Machine are treated: as the kubelet would, or as Fly does. */
export interface Policy {
  /** No container starts before a bundle was delivered. */
  readonly awaitsBundle: boolean;
  readonly crash: BackOff;
  readonly maxRetries: number;
  /** False: an image or a start that fails makes the Machine `failed`. */
  readonly keepsTrying: boolean;
}

const POD: Policy = {
  awaitsBundle: true,
  crash: KUBELET_BACK_OFF,
  maxRetries: Number.POSITIVE_INFINITY,
  keepsTrying: true,
};

const PLAIN: Policy = {
  awaitsBundle: false,
  crash: PLAIN_BACK_OFF,
  maxRetries: 10,
  keepsTrying: false,
};

export function policyOf(config: MachineConfig): Policy {
  return config.metadata?.[AWAITS_KEY] === "bundle" ? POD : PLAIN;
}

/** The one container of a Machine that names an image instead of containers. */
const MAIN_CONTAINER = "app";

/** A Machine with one image is a Machine with one container. Pure. */
export function containersOf(config: MachineConfig): readonly ContainerConfig[] {
  if (config.containers !== undefined && config.containers.length > 0) return config.containers;
  if (config.image === undefined) return [];
  const { exec, entrypoint, cmd } = config.init ?? {};
  return [
    {
      name: MAIN_CONTAINER,
      image: config.image,
      ...(exec === undefined ? {} : { exec }),
      ...(entrypoint === undefined ? {} : { entrypoint }),
      ...(cmd === undefined ? {} : { cmd }),
    },
  ];
}

export function configOf(record: MachineRecord, name: string): ContainerConfig | undefined {
  const added = record.added?.find((one) => one.name === name);
  if (added !== undefined) return { name, image: added.image, restart: { policy: "no" } };
  return containersOf(record.config).find((container) => container.name === name);
}

export type Restart =
  | { readonly again: false }
  | { readonly again: true; readonly delayMs: number };

/**
 * Whether a container that ended is started again, and after which delay. As in the kubelet the
 * first restart comes at once, each later one after a longer wait; a long run starts over.
 */
export function restartFor(
  record: MachineRecord,
  container: ContainerRecord,
  end: ContainerEnd,
  { restartRules }: Conduct = {},
): Restart {
  const policy = policyOf(record.config);
  const wanted = configOf(record, container.name)?.restart ?? record.config.restart;
  const rule = ruleFor(record, container.name, wanted);
  const isFailure = end.exitCode !== 0 || end.oomKilled || container.ending !== undefined;
  const isWanted =
    rule === "always" || (rule === "on-failure" && isFailure) || container.ending?.by === "resize";
  if (!isWanted && !isRuled(restartRules, end)) return { again: false };
  const ranLong = hasRunLong(policy.crash, container, end);
  const retries = ranLong ? 0 : container.retries;
  const limit = rule === "always" ? Number.POSITIVE_INFINITY : maxRetries(policy, wanted);
  if (retries >= limit) return { again: false };
  return { again: true, delayMs: ranLong ? 0 : container.crashBackOffMs };
}

/** Whether a container that is ended because a check failed comes back. */
export function startsAgainAfterFailure(record: MachineRecord, name: string): boolean {
  const wanted = configOf(record, name)?.restart ?? record.config.restart;
  return ruleFor(record, name, wanted) !== "no";
}

/** A rule of its own says that an end like this one is not the last. */
function isRuled(rules: readonly RestartRule[] = [], { exitCode }: ContainerEnd): boolean {
  return rules.some(
    ({ operator, exitCodes }) => exitCodes.includes(exitCode) === (operator === "In"),
  );
}

/** An init container is there to end, a sidecar to stay. */
function ruleFor(
  record: MachineRecord,
  name: string,
  wanted: RestartConfig | undefined,
): RestartConfig["policy"] {
  const rule = wanted?.policy ?? "on-failure";
  const role = roleOf(record, name);
  if (role === "sidecar") return "always";
  return role === "init" && rule === "always" ? "on-failure" : rule;
}

function maxRetries(policy: Policy, wanted: { readonly max_retries?: number } | undefined): number {
  const given = wanted?.max_retries ?? 0;
  return given > 0 ? given : policy.maxRetries;
}

export function hasRunLong(
  backOff: BackOff,
  container: ContainerRecord,
  end: { readonly atMs: number },
): boolean {
  return container.startedMs !== undefined && end.atMs - container.startedMs > backOff.resetMs;
}

/** The back-off that counts from this start on. */
export function crashBackOffAfter(policy: Policy, container: ContainerRecord): number {
  return longer(policy.crash, container.crashBackOffMs);
}

const STOP_TIMEOUT_MS = 5_000;

/** The signal and the patience a container is stopped with: what was asked, else the config. */
export function stopFor(
  record: MachineRecord,
  name: string,
  imageSignal: string | undefined,
): { readonly signal: string; readonly timeoutMs: number } {
  const own: StopConfig = configOf(record, name)?.stop ?? {};
  const whole = record.config.stop_config ?? {};
  const asked = record.stopping;
  return {
    signal:
      asked?.signal ?? own.signal ?? whole.signal ?? imageSignal ?? defaultSignal(record.config),
    timeoutMs: asked?.timeoutMs ?? timeoutOf(own) ?? timeoutOf(whole) ?? STOP_TIMEOUT_MS,
  };
}

/** Fly documents SIGINT for Machines with one image; containers end as containers do elsewhere. */
function defaultSignal({ containers = [] }: MachineConfig): string {
  return containers.length > 0 ? "SIGTERM" : "SIGINT";
}

function timeoutOf({ timeout }: StopConfig): number | undefined {
  if (timeout === undefined) return undefined;
  return typeof timeout === "number" ? timeout / 1e6 : parseGoDuration(timeout);
}

/** `name_namespace(uid)` as the kubelet writes it; a Machine that is no Pod's goes by its own name. */
export function podOf(record: MachineRecord): string {
  const { fks_pod, fks_namespace, fks_pod_uid } = record.config.metadata ?? {};
  if (fks_pod === undefined || fks_namespace === undefined || fks_pod_uid === undefined) {
    return `${record.name}_${record.app}(${record.id})`;
  }
  return `${fks_pod}_${fks_namespace}(${fks_pod_uid})`;
}
