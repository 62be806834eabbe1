import { type Command, Option } from "commander";
import { hostClock } from "#adapters/host/clock.ts";
import { hostLog } from "#adapters/host/log.ts";
import { stopSignals } from "#adapters/host/signals.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Log } from "#core/ports/log.ts";
import { type Cluster, readCluster } from "./cluster.ts";
import { type Config, environment, loadConfig } from "./config.ts";
import { CONFIG_FIELDS } from "./config-fields.ts";
import { type DataPaths, dataPathsFor, roleSocketFor } from "./paths.ts";

export type RoleName = "machines-api" | "kubelet" | "cloud-controller" | "dns" | "proxy";

/** What every role starts with. */
export interface Role {
  readonly name: RoleName;
  readonly config: Config;
  readonly cluster: Cluster;
  readonly paths: DataPaths;
  /** Where `serveRoleSocket` is to listen. */
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Adds every setting as an option, and `--config`. Read them with `configOf`. */
export function withConfigOptions(command: Command): Command {
  command.option("--config <file>", "YAML file with settings (FKS_CONFIG)");
  for (const field of CONFIG_FIELDS) {
    if ("flag" in field)
      command.addOption(new Option(field.flag, `${field.help} (${field.env[0]})`));
  }
  return command;
}

/** The configuration for a command made with `withConfigOptions`. Throws as `loadConfig` does. */
export function configOf(command: Command): Promise<Config> {
  const { config: configPath, ...flags } = command.opts<Record<string, unknown>>();
  return loadConfig({
    flags,
    env: environment(),
    ...(typeof configPath === "string" ? { configPath } : {}),
  });
}

/** Logging as the configuration asks for it. */
export function logFor(config: Config, role: string): Log {
  const isTerminal = process.stderr.isTTY;
  const format = config.logFormat === "auto" ? (isTerminal ? "pretty" : "json") : config.logFormat;
  return hostLog({ role, level: config.logLevel, format, color: wantsColor(isTerminal) });
}

/** Warnings of a command that a person runs, in words unless the configuration says otherwise. */
export function warningsFor(config: Config, role: string): Log {
  const logFormat = config.logFormat === "auto" ? "pretty" : config.logFormat;
  return logFor({ ...config, logFormat, logLevel: "warn" }, role);
}

/** Colours are for terminals, and for people who did not say no (https://no-color.org). */
export function wantsColor(isTerminal: boolean): boolean {
  return isTerminal && (environment()["NO_COLOR"] ?? "") === "";
}

/**
 * Runs one role from start to stop: `run` returns or throws once `signal` aborted.
 *
 * A role that is told to stop ends with status 0; what it throws then is not news. Its signal
 * aborts when it failed, too: what still listens would keep the process from ending.
 */
export async function runRole(
  name: RoleName,
  command: Command,
  run: (role: Role, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { stop, atOnce } = stopSignals();
  // The second signal waits for nothing.
  atOnce.addEventListener("abort", () => process.exit(1), { once: true });
  const config = await configOf(command);
  const paths = dataPathsFor(config.dataDir);
  const cluster = await readCluster(paths);
  const log = logFor(config, name);
  const socketPath = roleSocketFor(paths, name);

  log.info("role started", { pid: process.pid });
  const over = new AbortController();
  const scope = AbortSignal.any([stop, over.signal]);
  try {
    await run({ name, config, cluster, paths, socketPath, clock: hostClock(), log }, scope);
  } catch (error) {
    if (!stop.aborted) throw error;
  } finally {
    over.abort(new Error(`the role ${name} is over`));
  }
  log.info("role stopped");
}
