import { Command, Option } from "commander";
import pc from "picocolors";
import { hostClock } from "#adapters/host/clock.ts";
import { stopSignals } from "#adapters/host/signals.ts";
import { readStatus } from "#adapters/status/client.ts";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { StatusReport } from "#core/status/report.ts";
import { clusterOrDamaged } from "./cluster.ts";
import { type Config, environment } from "./config.ts";
import { knownControlPlane } from "./control-plane-record.ts";
import { runChecks } from "./doctor/check.ts";
import { controlPlaneChecks } from "./doctor/control-plane.ts";
import { datastoreCheck } from "./doctor/datastore.ts";
import { engineOutlook } from "./doctor/engine-outlook.ts";
import { fileChecks } from "./doctor/files.ts";
import { hostChecks } from "./doctor/host.ts";
import { leakCheck } from "./doctor/leaks.ts";
import { namespacesCheck } from "./doctor/namespaces.ts";
import { runningChecks } from "./doctor/running.ts";
import { strangersCheck } from "./doctor/strangers.ts";
import { doctorText } from "./doctor/text.ts";
import { examples } from "./help.ts";
import { type MachinesAccess, machinesAccess } from "./machines-access.ts";
import { type DataPaths, dataPathsFor } from "./paths.ts";
import { configOf, logFor, wantsColor, withConfigOptions } from "./role.ts";
import { statusSocketFor } from "./status-api.ts";

/** `fks-node doctor`: looks at everything that can be wrong, also before the first `serve`. */
export function doctorCommand(): Command {
  const command = new Command("doctor")
    .description("look at host, files, control plane and Machines; exit status 1 when one is wrong")
    .addOption(
      new Option("-o, --output <format>", "text or json").choices(["text", "json"]).default("text"),
    );
  withConfigOptions(command).action(doctor);
  return examples(command, "fks-node doctor", "fks-node doctor -o json --data-dir ./data");
}

async function doctor(
  { output }: { readonly output: "text" | "json" },
  self: Command,
): Promise<void> {
  const config = await configOf(self);
  const paths = dataPathsFor(config.dataDir);
  const clock = hostClock();
  const { stop } = stopSignals();
  const env = environment();
  const found = await clusterOrDamaged(paths);
  const cluster = found === "damaged" ? undefined : found;
  const record = await knownControlPlane(paths);
  const outlook = await engineOutlook(config, env, cluster?.engine);
  const status = statusOf(paths, clock, stop);
  const access = await accessIn(config, paths, clock);
  const machines = await whileServed(status, access);
  const hasNamespaces = config.machines === "embedded" && config.runtime === "crun";
  const results = await runChecks(
    [
      ...hostChecks(config, env, outlook),
      ...fileChecks(paths, clock, status),
      ...controlPlaneChecks({ config, paths, cluster, record, outlook, status, clock }),
      datastoreCheck({ paths, cluster, status }),
      strangersCheck({ paths, cluster, status }),
      ...runningChecks({ config, paths, cluster, status, apps: access?.apps, clock }),
      ...(config.machines === "embedded" ? [leakCheck({ paths, cluster, machines, clock })] : []),
      ...(hasNamespaces ? [namespacesCheck({ cluster, machines, clock })] : []),
    ],
    clock,
    stop,
  );

  const colors = pc.createColors(wantsColor(process.stdout.isTTY));
  process.stdout.write(
    output === "json"
      ? `${JSON.stringify({ checks: results }, undefined, 2)}\n`
      : doctorText(results, colors),
  );
  if (results.some(({ outcome }) => outcome === "failed")) process.exitCode = 1;
}

async function statusOf(
  paths: DataPaths,
  clock: Clock,
  signal: AbortSignal,
): Promise<StatusReport | undefined> {
  try {
    return await readStatus(statusSocketFor(paths), clock, signal);
  } catch (error) {
    if (FksError.is(error, "Unavailable")) return undefined;
    throw error;
  }
}

/** The Machines API, as far as it is known where it is and with which token. */
async function accessIn(
  config: Config,
  paths: DataPaths,
  clock: Clock,
): Promise<MachinesAccess | undefined> {
  try {
    return await machinesAccess({ config, paths, clock, log: logFor(config, "doctor") });
  } catch (error) {
    if (error instanceof FksError) return undefined;
    throw error;
  }
}

async function whileServed(
  status: Promise<StatusReport | undefined>,
  access: MachinesAccess | undefined,
): Promise<MachinesAccess | undefined> {
  return (await status) === undefined ? undefined : access;
}
