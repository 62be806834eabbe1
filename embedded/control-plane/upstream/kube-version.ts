import { FksError, messageOf } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import { controlPlaneEnvironment } from "../environment.ts";

const TIMEOUT_MS = 10_000;

/**
 * The version of Kubernetes that a `kube` executable from elsewhere carries: `v1.36.3`.
 * Throws `Unsupported` with a sentence when it cannot be run or is something else.
 */
export async function kubeVersion(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  const deadline = AbortSignal.any([signal, clock.timeout(TIMEOUT_MS)]);
  const said = await outputOf(path, env, deadline).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new FksError("Unsupported", `${path} cannot be run: ${messageOf(cause)}`, { cause });
  });
  signal.throwIfAborted();
  const version = /^Kubernetes (v\d\S*)/m.exec(said)?.[1];
  if (version !== undefined) return version;
  throw new FksError(
    "Unsupported",
    `${path} does not carry the control plane's parts: "${path} apiserver --version" tells no version of Kubernetes`,
  );
}

async function outputOf(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<string> {
  const child = Bun.spawn([path, "apiserver", "--version"], {
    env: controlPlaneEnvironment(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "ignore",
    signal,
    killSignal: "SIGKILL",
  });
  return child.stdout.text();
}
