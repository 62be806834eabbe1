#!/usr/bin/env bun
import { Command } from "commander";
import packageJson from "../package.json";
import { backupCommand } from "./backup.ts";
import { cloudControllerCommand } from "./cloud-controller.ts";
import { environment } from "./config.ts";
import { dnsCommand } from "./dns.ts";
import { doctorCommand } from "./doctor.ts";
import { exitStatusTable, farewellFor } from "./exit.ts";
import { examples } from "./help.ts";
import { imageCommand } from "./image.ts";
import { kubeconfigCommand } from "./kubeconfig.ts";
import { kubectlCommand } from "./kubectl.ts";
import { kubeletCommand } from "./kubelet.ts";
import { machinesApiCommand } from "./machines-api.ts";
import { proxyCommand } from "./proxy.ts";
import { resetCommand } from "./reset.ts";
import { restoreCommand } from "./restore.ts";
import { controlPlaneCommand, serveCommand } from "./serve.ts";
import { configCommand } from "./show-config.ts";
import { statusCommand } from "./status.ts";
import { translateCommand } from "./translate.ts";

/** How long a failed command may take to end by itself. */
const FAREWELL_MS = 1_000;

const COMMANDS: readonly Command[] = [
  serveCommand(),
  kubectlCommand(),
  imageCommand(),
  kubeconfigCommand(),
  statusCommand(),
  doctorCommand(),
  translateCommand(),
  backupCommand(),
  restoreCommand(),
  resetCommand(),
  machinesApiCommand(),
  configCommand(),
  controlPlaneCommand(),
  kubeletCommand(),
  cloudControllerCommand(),
  dnsCommand(),
  proxyCommand(),
];

const program = new Command("fks-node")
  .description("A Kubernetes API whose Pods are Fly Machines, on one host.")
  .version(packageJson.version, "-V, --version", "print the version")
  .enablePositionalOptions()
  .showHelpAfterError("(--help shows what there is)")
  .addHelpText("after", `\nStart with:\n  $ fks-node serve\n  $ fks-node kubectl get nodes\n`)
  .addHelpText("after", exitStatusTable());

for (const command of COMMANDS) {
  inherit(command, program);
  program.addCommand(command);
}
examples(program.command("version"), "fks-node version")
  .description("print the version")
  .action(() => void process.stdout.write(`${packageJson.version}\n`));
inherit(program, program.exitOverride());

// Who reads what we print may leave early, as `head` does.
for (const stream of [process.stdout, process.stderr]) stream.on("error", unlessReaderLeft);

try {
  await program.parseAsync();
} catch (error) {
  const { status, text } = farewellFor(error, environment());
  process.stderr.write(text);
  process.exitCode = status;
  // What a failed command left open must not keep it from ending.
  setTimeout(() => process.exit(status), FAREWELL_MS).unref();
}

/** A mistake on the command line is thrown, also by commands that were made on their own. */
function inherit(command: Command, parent: Command): void {
  if (command !== parent) command.copyInheritedSettings(parent).exitOverride();
  for (const child of command.commands) inherit(child, command);
}

function unlessReaderLeft(error: Error): void {
  if (!("code" in error) || error.code !== "EPIPE") throw error;
}
