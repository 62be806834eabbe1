/** The control planes that end-to-end tests run over. */
import { resolve } from "node:path";
import { ENGINE_NAMES, type EngineName } from "#embedded/control-plane/engine.ts";
import { ensureKube } from "#embedded/control-plane/upstream/build.ts";
import { installK3sShaped, type K3sShape } from "#test/programs/k3s-shaped.ts";

export interface TestEngine {
  readonly name: EngineName;
  /** Its executable; with `kubectl` as its first argument it is one. */
  readonly program: string;
  /** Makes `serve` take it. */
  readonly env: Readonly<Record<string, string>>;
}

/** The children of `serve` that are the control plane. */
export const CONTROL_PLANE_PARTS: Readonly<Record<EngineName, readonly string[]>> = {
  k3s: ["k3s"],
  upstream: ["scheduler", "controller-manager", "kine", "apiserver"],
};

/** The one that serves the API. */
export const API_PART: Readonly<Record<EngineName, string>> = { k3s: "k3s", upstream: "apiserver" };

/** The engine that tests of both run over this time: `FKS_TEST_ENGINE`. */
export const ENGINE_NAME: EngineName =
  ENGINE_NAMES.find((name) => name === process.env["FKS_TEST_ENGINE"]) ?? "upstream";

/**
 * The engine's executable, ready to run. For K3s it is the one that `FKS_K3S_BIN` names; without
 * that, or with a shape that only it can have, it is the stand-in, put into `folder`.
 */
export async function testEngine(
  name: EngineName,
  folder: string,
  shape?: K3sShape,
): Promise<TestEngine> {
  if (name === "upstream") {
    const program = await ensureKube({ onProgress: () => {} }, AbortSignal.timeout(60 * 60_000));
    return { name, program, env: { FKS_ENGINE: name, FKS_KUBE_BIN: program } };
  }
  const named = shape === undefined ? (process.env["FKS_K3S_BIN"] ?? "") : "";
  const program = named === "" ? await installK3sShaped(folder, shape) : resolve(named);
  return { name, program, env: { FKS_ENGINE: name, FKS_K3S_BIN: program } };
}
