import { Worker } from "node:worker_threads";
import { FksError } from "#core/errors.ts";
import type { UnpackRequest } from "./unpack.ts";
import type { UnpackAnswer } from "./unpack-worker.ts";

/** Unpacks in a thread of its own, so that nobody else waits. Same failures as `unpack`. */
export type Unpacker = (request: UnpackRequest, signal: AbortSignal) => Promise<void>;

/** Images unpacked at the same time; more would only take turns on the disk. */
const AT_ONCE = 2;

/** In the compiled executable entry points stand where they stood in the repository. */
const WORKER = import.meta.dir.startsWith("/$bunfs/")
  ? new URL("file:///$bunfs/root/embedded/machines-api/images/unpack-worker.ts")
  : new URL("./unpack-worker.ts", import.meta.url);

export function workerUnpacker(): Unpacker {
  let free = AT_ONCE;
  const queue: (() => void)[] = [];

  async function turn(): Promise<void> {
    if (free > 0) {
      free -= 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    queue.push(resolve);
    await promise;
  }

  function done(): void {
    const next = queue.shift();
    if (next === undefined) free += 1;
    else next();
  }

  return async (request, signal) => {
    await turn();
    try {
      signal.throwIfAborted();
      await inWorker(request, signal);
    } finally {
      done();
    }
  };
}

async function inWorker(request: UnpackRequest, signal: AbortSignal): Promise<void> {
  const worker = new Worker(WORKER);
  const { promise, resolve, reject } = Promise.withResolvers<UnpackAnswer>();
  worker.on("message", (answer: UnpackAnswer) => resolve(answer));
  worker.on("error", reject);
  worker.on("exit", (code) => reject(new Error(`the unpacking thread ended with code ${code}`)));
  const stop = (): void => worker.postMessage("stop", []);
  signal.addEventListener("abort", stop, { once: true });

  try {
    worker.postMessage(request, []);
    const answer = await promise;
    signal.throwIfAborted();
    if (answer.outcome === "refused") throw new FksError("InvalidInput", answer.message);
    if (answer.outcome === "failed") throw Object.assign(new Error(answer.message), answer);
  } finally {
    signal.removeEventListener("abort", stop);
    await worker.terminate();
  }
}
