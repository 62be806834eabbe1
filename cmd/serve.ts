import { join, relative } from "node:path";
import { Command } from "commander";
import { hostClock } from "#adapters/host/clock.ts";
import { processIdentity } from "#adapters/host/process-identity.ts";
import { type StopSignals, stopSignals } from "#adapters/host/signals.ts";
import { hostProcesses } from "#adapters/process/processes.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { ChildSpec } from "#core/supervisor/child.ts";
import type { ChildReport } from "#core/supervisor/child-report.ts";
import { supervisor } from "#core/supervisor/supervisor.ts";
import { datastoreWatch } from "#embedded/control-plane/datastore/watch.ts";
import { roleEnvironment, withoutProxyFor } from "./child-environment.ts";
import { newsOf } from "./child-news.ts";
import { roleChildren } from "./children.ts";
import { rememberVersion } from "./cluster.ts";
import { expectNoAddresses } from "./cluster-client.ts";
import { type Config, environment } from "./config.ts";
import { type Console, startConsole } from "./console.ts";
import { writeAdminKubeconfig } from "./control-plane.ts";
import { rememberControlPlane } from "./control-plane-record.ts";
import { examples } from "./help.ts";
import { type Instance, prepareInstance } from "./instance.ts";
import { type DataPaths, dataPathsFor, roleSocketFor } from "./paths.ts";
import { configOf, withConfigOptions } from "./role.ts";
import { startStatus } from "./status-api.ts";
import { keepUp, tend } from "./upkeep.ts";

export function serveCommand(): Command {
  const command = new Command("serve").description(
    "run all of it on this host: control plane, Machines, Nodes, names",
  );
  withConfigOptions(command).action(async (_, self: Command) => serve(await configOf(self), true));
  return examples(
    command,
    "fks-node serve",
    "fks-node serve --data-dir ./data --regions ams,lhr",
    "fks-node serve --runtime none --node-capacity cpu=64,memory=256Gi,pods=1000",
  );
}

export function controlPlaneCommand(): Command {
  const command = new Command("control-plane").description(
    "run the control plane alone: an API without Nodes",
  );
  withConfigOptions(command).action(async (_, self: Command) => serve(await configOf(self), false));
  return examples(command, "fks-node control-plane --data-dir ./data");
}

async function serve(config: Config, withRoles: boolean): Promise<void> {
  const signals = stopSignals();
  const clock = hostClock();
  const console = startConsole(process.stdout, () => clock.now());
  const paths = dataPathsFor(config.dataDir);
  const addressBy = withRoles && config.machines === "embedded" ? ["machines-api"] : [];
  const instance = await prepareInstance({ config, paths, console, addressBy }, signals.stop).catch(
    (error: unknown) => {
      // Told to stop before anything ran: there is nothing to report.
      if (signals.stop.aborted) return undefined;
      throw error;
    },
  );
  if (instance === undefined) return console.step("stopped");
  try {
    Object.assign(process.env, withoutProxyFor(environment(), instance.addresses));
    const specs = childrenFor({ config, paths, instance, withRoles });
    await run({ config, specs, paths, instance, console, clock, withRoles }, signals);
  } finally {
    await instance.release();
  }
}

interface Serving {
  readonly config: Config;
  readonly specs: readonly ChildSpec[];
  readonly paths: DataPaths;
  readonly instance: Instance;
  readonly console: Console;
  readonly clock: Clock;
  readonly withRoles: boolean;
}

/** From the first child's start to the last one's end. */
async function run(serving: Serving, { stop, atOnce }: StopSignals): Promise<void> {
  const { specs, config, paths, instance, console, clock, withRoles } = serving;
  const { cluster, controlPlane, upgrade, log } = instance;
  const reports = new Map<string, ChildReport>();
  let isComplete = false;
  let statusUrl = "";

  const children = supervisor(specs, {
    processes: hostProcesses({
      logs: paths.logs,
      childrenFile: paths.childrenFile,
      identityOf: processIdentity,
    }),
    clock,
    log,
    atOnce,
    async onFirstReady(name) {
      if (name !== controlPlane.apiChild) return;
      await writeAdminKubeconfig(paths, cluster, controlPlane);
      await rememberControlPlane(paths, controlPlane);
      if (upgrade === undefined) await rememberVersion(paths, controlPlane.version);
      else await upgrade.done();
      await tend({ paths, instance, children });
      if (!withRoles) await expectNoAddresses(paths, clock, stop);
    },
    onChange(report) {
      const logPath = join(paths.logs, `${report.name}.log`);
      const news = stop.aborted ? undefined : newsOf(reports.get(report.name), report, logPath);
      if (news !== undefined) console[news.kind](news.text);
      reports.set(report.name, report);
      if (isComplete || specs.some(({ name }) => reports.get(name)?.ready !== true)) return;
      isComplete = true;
      console.facts([
        ["kubeconfig", paths.kubeconfig],
        ["API", `${controlPlane.server}, ${controlPlane.engine} ${controlPlane.version}`],
        ["status", statusUrl],
        ["logs", paths.logs],
        ["try", `${selfName()} kubectl --data-dir ${paths.dataDir} get nodes`],
        ["stop", "Ctrl-C; Machines run on and are there again after the next start"],
      ]);
    },
  });

  const scope = new AbortController();
  const stopping = AbortSignal.any([stop, scope.signal]);
  stop.addEventListener("abort", () => console.step("stopping"), { once: true });
  const datastore = datastoreWatch({
    database: controlPlane.database,
    logPath: join(paths.logs, `${controlPlane.databaseChild}.log`),
    clock,
    log,
  });
  const upkeep = Promise.all([
    keepUp({ paths, instance, children, clock }, stopping),
    datastore.run(stopping),
  ]);
  try {
    statusUrl = await startStatus(
      { config, paths, children, controlPlane, datastore, clock },
      scope.signal,
    );
    await children.run(stop).catch(async (error: unknown) => {
      throw upgrade === undefined ? error : await upgrade.undo(error);
    });
    console.step("stopped");
  } finally {
    scope.abort(new Error("serve ends"));
    await upkeep;
  }
}

function childrenFor(options: {
  readonly config: Config;
  readonly paths: DataPaths;
  readonly instance: Instance;
  readonly withRoles: boolean;
}): readonly ChildSpec[] {
  const { config, paths, instance, withRoles } = options;
  const env = environment();
  const self = {
    command: Bun.isStandaloneExecutable ? [process.execPath] : [process.execPath, Bun.main],
    env: roleEnvironment(env, config, instance.addresses),
    socketOf: (role: string) => roleSocketFor(paths, role),
  };
  const { children, apiChild } = instance.controlPlane;
  if (!withRoles) return children;
  const { first, last } = roleChildren(self, config.machines, apiChild);
  return [...first, ...children, ...last];
}

/** How a person in this folder would call this very program. */
function selfName(): string {
  if (!Bun.isStandaloneExecutable || Bun.which("fks-node") === process.execPath) return "fks-node";
  const fromHere = relative(process.cwd(), process.execPath);
  return fromHere.startsWith("..") ? process.execPath : `./${fromHere}`;
}
