import type { ContainerId, Runtime } from "../runtime/runtime.ts";

/** What a probe keeps of a command's output. As in the kubelet. */
const OUTPUT_MAX_BYTES = 10 * 1024;

/** Runs a command in a container; both of its outputs are one text, as they came. */
export async function runCommand(
  runtime: Runtime,
  id: ContainerId,
  command: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly exitCode: number; readonly output: string }> {
  const chunks: Uint8Array[] = [];
  let left = OUTPUT_MAX_BYTES;
  const sink = (): WritableStream<Uint8Array> =>
    new WritableStream({
      write(chunk) {
        if (left > 0) chunks.push(chunk.slice(0, left));
        left -= chunk.length;
      },
    });
  const request = { command, tty: false, stdout: sink(), stderr: sink() };
  const { exitCode } = await runtime.exec(id, request, signal);
  return { exitCode, output: Buffer.concat(chunks).toString() };
}
