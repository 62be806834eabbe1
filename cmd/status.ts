import { Command, Option } from "commander";
import pc from "picocolors";
import { hostClock } from "#adapters/host/clock.ts";
import { readStatus } from "#adapters/status/client.ts";
import { FksError } from "#core/errors.ts";
import type { StatusReport } from "#core/status/report.ts";
import { readCluster } from "./cluster.ts";
import { examples } from "./help.ts";
import { type DataPaths, dataPathsFor } from "./paths.ts";
import { configOf, wantsColor, withConfigOptions } from "./role.ts";
import { statusSocketFor } from "./status-api.ts";
import { statusText } from "./status-text.ts";

/** `fks-node status`: how every part of a running `serve` is. */
export function statusCommand(): Command {
  const command = new Command("status")
    .description("show how every part of a running serve is; exit status 1 when one is not ready")
    .addOption(
      new Option("-o, --output <format>", "text or json").choices(["text", "json"]).default("text"),
    );
  withConfigOptions(command).action(status);
  return examples(command, "fks-node status", "fks-node status -o json --data-dir ./data");
}

async function status(
  { output }: { readonly output: "text" | "json" },
  self: Command,
): Promise<void> {
  const report = await reportIn(dataPathsFor((await configOf(self)).dataDir));
  const colors = pc.createColors(wantsColor(process.stdout.isTTY));
  const text =
    output === "json"
      ? `${JSON.stringify(report, undefined, 2)}\n`
      : statusText(report, Date.now(), colors);
  process.stdout.write(text);
  if (!report.ready) process.exitCode = 1;
}

/** Throws `NotFound` where there is no cluster, `Unavailable` when its `serve` does not run. */
async function reportIn(paths: DataPaths): Promise<StatusReport> {
  await readCluster(paths);
  try {
    const forever = new AbortController().signal;
    return await readStatus(statusSocketFor(paths), hostClock(), forever);
  } catch (cause) {
    if (!FksError.is(cause, "Unavailable")) throw cause;
    throw new FksError(
      "Unavailable",
      `the cluster in ${paths.dataDir} does not run: start it with fks-node serve --data-dir ${paths.dataDir}`,
      { cause },
    );
  }
}
