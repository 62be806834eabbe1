import { Command } from "commander";
import { stringify } from "yaml";
import { examples } from "./help.ts";
import { configOf, withConfigOptions } from "./role.ts";

export function configCommand(): Command {
  const command = new Command("config")
    .description("print the configuration: flags over environment over file over defaults")
    .option("-o, --output <format>", "yaml or json", "yaml");
  withConfigOptions(command).action(async (options: { output: string }, self: Command) => {
    // Through JSON first, so that secrets print as they do everywhere else.
    const config: unknown = JSON.parse(JSON.stringify(await configOf(self)));
    process.stdout.write(
      options.output === "json" ? `${JSON.stringify(config, undefined, 2)}\n` : stringify(config),
    );
  });
  return examples(
    command,
    "fks-node config --config fks.yaml",
    "FKS_REGIONS=ams,lhr fks-node config -o json",
  );
}
