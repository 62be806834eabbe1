import { Command, Option } from "commander";
import { readTextIfThere } from "#adapters/host/files.ts";
import { FksError } from "#core/errors.ts";
import { networkPlanFor, nodeAddressFor } from "#core/fly/network.ts";
import type { Finding } from "#core/pod/fields/check.ts";
import {
  machineConfigFor,
  type Translation,
  type TranslationContext,
} from "#core/pod/machine-config.ts";
import { API_SERVER_PORT } from "#embedded/control-plane/engine.ts";
import { readCluster } from "./cluster.ts";
import { examples } from "./help.ts";
import { dataPathsFor } from "./paths.ts";
import { podsIn } from "./pods-in.ts";
import { configOf, withConfigOptions } from "./role.ts";

/** Where no cluster was started yet, these stand for its own. */
const NO_CLUSTER = { networkId: "00000000", clusterUid: "00000000-0000-0000-0000-000000000000" };

interface Translated {
  /** `Deployment default/web`. */
  readonly from: string;
  readonly translation: Translation;
}

/** `fks-node translate`: which Machine a Pod becomes, without asking any cluster. */
export function translateCommand(): Command {
  const command = new Command("translate")
    .description("show the Machine a Pod becomes, or every field that cannot be carried")
    .requiredOption(
      "-f, --filename <file>",
      "YAML or JSON with Pods or what makes them; - reads standard input",
    )
    .addOption(
      new Option("-o, --output <format>", "machine: configurations alone; json: everything found")
        .choices(["machine", "json"])
        .default("machine"),
    );
  withConfigOptions(command).action(translate);
  return examples(
    command,
    "fks-node translate -f examples/pod.yaml",
    "fks-node kubectl get pod web -o yaml | fks-node translate -f -",
    "fks-node translate -f deployment.yaml --machines fly --regions ams",
  );
}

async function translate(
  options: { readonly filename: string; readonly output: "machine" | "json" },
  self: Command,
): Promise<void> {
  const context = await contextFor(self);
  const { pods, others } = podsIn(await textOf(options.filename), options.filename);
  const translated = pods.map(({ owner, pod }) => ({
    from: owner,
    translation: machineConfigFor(pod, context),
  }));

  if (options.output === "json") {
    process.stdout.write(`${JSON.stringify(translated.map(flat), undefined, 2)}\n`);
  } else {
    for (const one of translated) print(one);
    for (const other of others) process.stderr.write(`${other} makes no Pods: left out\n`);
  }
  const refused = translated.filter(({ translation }) => !translation.ok);
  if (refused.length === 0) return;
  throw new FksError(
    "Unsupported",
    `no Machine can run ${refused.map(({ from }) => from).join(", ")} as it is written`,
  );
}

/** Configurations go to standard output, what there is to know about them to standard error. */
function print({ from, translation }: Translated): void {
  if (translation.ok) {
    process.stdout.write(`${JSON.stringify(translation.config, undefined, 2)}\n`);
    list(`${from}: done differently on a Machine`, translation.approximated);
  } else {
    list(`${from}: cannot be carried`, translation.refused);
  }
}

function list(title: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  const rows = findings.map(({ field, sentence }) => `  ${field}: ${sentence}\n`);
  process.stderr.write(`${title}:\n${rows.join("")}`);
}

function flat({ from, translation }: Translated): object {
  return { from, ...translation };
}

/** The addresses of the cluster in the data directory, when there is one. */
async function contextFor(command: Command): Promise<TranslationContext> {
  const config = await configOf(command);
  const cluster = await readCluster(dataPathsFor(config.dataDir)).catch((error: unknown) => {
    if (FksError.is(error, "NotFound") || FksError.is(error, "Forbidden")) return undefined;
    throw error;
  });
  const networkId = cluster?.networkId ?? NO_CLUSTER.networkId;
  const plan = networkPlanFor(networkId);
  return {
    capabilities: config.machines === "fly" ? "fly" : "machine-protocol",
    clusterUid: cluster?.clusterUid ?? NO_CLUSTER.clusterUid,
    hostIP: nodeAddressFor(networkId, 0),
    apiServer: { host: plan.apiServer, port: cluster?.apiPort ?? API_SERVER_PORT },
  };
}

async function textOf(filename: string): Promise<string> {
  if (filename === "-") return Bun.stdin.text();
  const text = await readTextIfThere(filename);
  if (text === undefined) throw new FksError("NotFound", `${filename} does not exist`);
  return text;
}
