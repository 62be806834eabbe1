import type { ServerResponse } from "node:http";
import type { LogOptions } from "#core/fly/machine-protocol.ts";
import { logsMissFor } from "#core/kubelet/exec-target.ts";
import { logOptionsFor } from "#core/kubelet/log-options.ts";
import type { ContainerAddress } from "#core/kubelet/routes.ts";
import type { KubeletApiDeps } from "./deps.ts";
import type { SessionScope } from "./remote-streams.ts";
import { sendText } from "./respond.ts";
import { type LogTarget, logTarget } from "./target.ts";

/** Streams a container's output; the Machine's side is cancelled when the client goes away. */
export async function sendLogs(
  deps: KubeletApiDeps,
  request: { readonly node: string; readonly address: ContainerAddress; readonly url: URL },
  response: ServerResponse,
  scope: SessionScope,
): Promise<void> {
  const parsed = logOptionsFor(request.url.searchParams);
  if (!parsed.ok) return sendText(response, parsed.status, parsed.message);

  const { options } = parsed;
  const gone = new AbortController();
  response.once("close", () => gone.abort(new Error("the client closed the connection")));
  const until = AbortSignal.any([scope.signal, gone.signal]);
  const target = await logTarget(
    deps,
    request.node,
    request.address,
    (pod, container, views) => logsMissFor(pod, container, views, options.previous === true),
    until,
  );
  if (!target.ok) return sendText(response, target.status, target.message);

  const output = await outputOf(deps, target, options, until);
  response.writeHead(200, { "Content-Type": "text/plain", "Transfer-Encoding": "chunked" });
  // The client must have the headers before the container has something to say.
  response.flushHeaders();
  try {
    await copyOut(output, response, scope, until);
    response.end();
  } catch (err) {
    if (!until.aborted) deps.log.warn("log stream cut", { pod: request.address.pod, err });
    response.destroy();
  }
}

function outputOf(
  { protocol }: KubeletApiDeps,
  target: LogTarget,
  options: LogOptions,
  signal: AbortSignal,
): Promise<ReadableStream<Uint8Array>> {
  const { container } = target;
  return "machine" in target
    ? protocol.logs(target.machine, container, options, signal)
    : protocol.keptLogs.read(target.keptOf, container, options, signal);
}

async function copyOut(
  output: ReadableStream<Uint8Array>,
  response: ServerResponse,
  scope: SessionScope,
  signal: AbortSignal,
): Promise<void> {
  const reader = output.getReader();
  const stop = (): void => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- a stream is read in its order
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      scope.active();
      // oxlint-disable-next-line no-await-in-loop -- a slow client holds the container's log back
      if (!response.write(value)) await drained(response, signal);
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const settle = (): void => {
    response.off("drain", settle);
    signal.removeEventListener("abort", settle);
    resolve();
  };
  response.once("drain", settle);
  signal.addEventListener("abort", settle, { once: true });
  return promise;
}
