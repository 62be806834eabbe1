import type { ServerResponse } from "node:http";
import { execMissFor } from "#core/kubelet/exec-target.ts";
import type { ContainerAddress } from "#core/kubelet/routes.ts";
import type { KubeletApiDeps } from "./deps.ts";
import type { SessionScope } from "./remote-streams.ts";
import { sendText } from "./respond.ts";
import { containerTarget } from "./target.ts";

/** The answer is buffered, so it has an end. */
const OUTPUT_MAX_BYTES = 16 * 1_048_576;

/** One command without input; its output, both streams together, is the answer. */
export async function sendRun(
  deps: KubeletApiDeps,
  request: {
    readonly node: string;
    readonly address: ContainerAddress;
    readonly command: readonly string[];
  },
  response: ServerResponse,
  scope: SessionScope,
): Promise<void> {
  const { node, address, command } = request;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the client closed the connection")));
  const until = AbortSignal.any([scope.signal, gone.signal]);
  const target = await containerTarget(deps, node, address, execMissFor, until);
  if (!target.ok) return sendText(response, target.status, target.message);

  const output = collector();
  const { exitCode } = await deps.protocol.exec(
    target.machine,
    target.container,
    { command, tty: false, stdout: output.stream(), stderr: output.stream() },
    until,
  );
  if (exitCode === 0) return sendText(response, 200, output.text());
  sendText(
    response,
    500,
    `command '${command.join(" ")}' exited with ${exitCode}: ${output.text()}`,
  );
}

function collector(): { stream(): WritableStream<Uint8Array>; text(): string } {
  const chunks: Uint8Array[] = [];
  let held = 0;
  return {
    stream: () =>
      new WritableStream<Uint8Array>({
        write(chunk) {
          // What is beyond the bound is dropped, so that the command still comes to its end.
          const kept = chunk.slice(0, OUTPUT_MAX_BYTES - held);
          held += kept.length;
          chunks.push(kept);
        },
      }),
    text: () => Buffer.concat(chunks).toString(),
  };
}
