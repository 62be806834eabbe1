import { statSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { hostClock } from "#adapters/host/clock.ts";
import { stopSignals } from "#adapters/host/signals.ts";
import { FksError } from "#core/errors.ts";
import { hostImages, type ImageProgress } from "#embedded/machines-api/images/host-images.ts";
import type { Images, LoadedImage } from "#embedded/machines-api/images/images.ts";
import { startConsole } from "./console.ts";
import { examples } from "./help.ts";
import { dataPathsFor } from "./paths.ts";
import { configOf, withConfigOptions } from "./role.ts";

/**
 * `fks-node image …`: images for embedded Machines. It works on the data directory itself, whether
 * `serve` runs or not: what it loads is there for the next Machine.
 */
export function imageCommand(): Command {
  const command = examples(
    new Command("image").description("images for the Machines on this host"),
    "fks-node image load web.tar",
    "fks-node image list",
  );

  withConfigOptions(
    examples(
      command.command("load"),
      "docker save web:1 -o web.tar",
      "fks-node image load web.tar",
    ),
  )
    .description("take in images from an archive; they win over registries and stay until removed")
    .argument(
      "<file>",
      "archive of docker save or podman save, or an OCI layout; compressed or not",
    )
    .action((file: string, _options: unknown, self: Command) => load(resolve(file), self));

  withConfigOptions(examples(command.command("list"), "fks-node image list"))
    .description("show the images on this host")
    .action(async (_options: unknown, self: Command) => {
      const images = await imagesOf(self, () => {});
      process.stdout.write(imageTable(await images.list()));
    });

  withConfigOptions(examples(command.command("remove").alias("rm"), "fks-node image remove web:1"))
    .description("forget an image; what a Machine stands on stays until it is gone")
    .argument("<reference>", "a name, as the list shows it or shorter")
    .action(async (reference: string, _options: unknown, self: Command) => {
      const images = await imagesOf(self, () => {});
      await images.remove(reference, new Set());
      process.stdout.write(`removed ${reference}\n`);
    });

  return command;
}

async function load(file: string, command: Command): Promise<void> {
  const { stop } = stopSignals();
  const console = startConsole(process.stderr, () => Date.now());
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new FksError("InvalidInput", `cannot load ${file}: it is a folder, not an archive`);
  }
  const images = await imagesOf(
    command,
    loadProgress(file, (what) => console.progress(what)),
  );

  const loaded = await images.load(file, stop);
  console.step(`read and unpacked ${file}`);
  for (const { reference, sizeBytes } of loaded) {
    process.stdout.write(`loaded ${reference} (${megabytes(sizeBytes)})\n`);
  }
}

async function imagesOf(
  command: Command,
  onProgress: (progress: ImageProgress) => void,
): Promise<Images> {
  const { dataDir } = await configOf(command);
  return hostImages({ folder: dataPathsFor(dataDir).images, clock: hostClock(), onProgress });
}

/** Files smaller than this are read before anyone could look at a percentage. */
const LARGE_BYTES = 50e6;

/** Tells how far a load is; of large files in steps of ten percent. */
function loadProgress(
  file: string,
  tell: (what: string) => void,
): (progress: ImageProgress) => void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const reading = `reading ${file} (${megabytes(size)})`;
  let told = "";

  return (progress) => {
    if (progress.step === "pull") return;
    const text =
      progress.step === "unpack" ? `unpacking ${progress.reference}` : readText(progress);
    if (text !== told) tell(text);
    told = text;
  };

  function readText({ readBytes }: { readonly readBytes: number }): string {
    return size < LARGE_BYTES ? reading : `${reading}: ${Math.floor((10 * readBytes) / size)}0 %`;
  }
}

export function imageTable(images: readonly LoadedImage[]): string {
  const rows = images.map(({ reference, digest, sizeBytes }) => [
    reference,
    digest.slice(0, "sha256:".length + 12),
    megabytes(sizeBytes),
  ]);
  const table = [["IMAGE", "DIGEST", "SIZE"], ...rows];
  const width = Math.max(...table.map(([reference = ""]) => reference.length));
  return table
    .map(([reference = "", digest = "", size = ""]) =>
      [reference.padEnd(width), digest.padEnd(19), size].join("  "),
    )
    .join("\n")
    .concat("\n");
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
