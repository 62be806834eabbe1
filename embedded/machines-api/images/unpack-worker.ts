/** Unpacks one image off the main thread; started by unpacker.ts, an entry point when compiled. */
import { parentPort } from "node:worker_threads";
import { FksError, messageOf } from "#core/errors.ts";
import { type UnpackRequest, unpack } from "./unpack.ts";

export type UnpackAnswer =
  | { readonly outcome: "done" }
  | { readonly outcome: "refused"; readonly message: string }
  | { readonly outcome: "failed"; readonly message: string; readonly code: string | undefined };

const stop = new AbortController();

async function answerTo(request: UnpackRequest): Promise<UnpackAnswer> {
  try {
    await unpack(request, stop.signal);
    return { outcome: "done" };
  } catch (error) {
    if (FksError.is(error, "InvalidInput")) return { outcome: "refused", message: error.message };
    const code = error instanceof Error && "code" in error ? String(error.code) : undefined;
    return { outcome: "failed", message: messageOf(error), code };
  }
}

parentPort?.on("message", (request: UnpackRequest | "stop") => {
  if (request === "stop") {
    stop.abort(new Error("unpacking was stopped"));
    return;
  }
  void answerTo(request).then((answer) => parentPort?.postMessage(answer, []));
});
