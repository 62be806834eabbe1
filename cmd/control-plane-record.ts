import { z } from "zod";
import { readTextIfThere, writeFile } from "#adapters/host/files.ts";
import { type ControlPlane, ENGINE_NAMES } from "#embedded/control-plane/engine.ts";
import type { DataPaths } from "./paths.ts";

const recordSchema = z.object({
  engine: z.enum(ENGINE_NAMES),
  version: z.string(),
  program: z.string(),
});

/** Which control plane runs in a data directory, or ran last. */
export type ControlPlaneRecord = Readonly<z.infer<typeof recordSchema>>;

/** Writes down for other commands which control plane runs here. */
export async function rememberControlPlane(
  paths: DataPaths,
  { engine, version, program }: ControlPlane,
): Promise<void> {
  await writeFile(paths.controlPlaneFile, `${JSON.stringify({ engine, version, program })}\n`);
}

/** What was written down; undefined before the first start and when it cannot be read. */
export async function knownControlPlane(paths: DataPaths): Promise<ControlPlaneRecord | undefined> {
  const text = await readTextIfThere(paths.controlPlaneFile);
  try {
    return recordSchema.parse(JSON.parse(text ?? ""));
  } catch {
    return undefined;
  }
}
