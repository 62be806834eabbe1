import { Hono } from "hono";
import type { ExitStatus } from "#core/fly/machine-protocol.ts";
import { ApiError, invalid, precondition } from "../errors.ts";
import { containerOf, type MachineRecord } from "../record.ts";
import { execBody } from "../schema.ts";
import { shellWords } from "../shell-words.ts";
import { type Api, bodyOf, livingMachineAt } from "./context.ts";

const DEFAULT_TIMEOUT_SECONDS = 60;
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

/** `POST …/exec`: runs one command and answers with all it wrote. */
export function execRoute(api: Api): Hono {
  return new Hono().post("/", async (c) => {
    const body = await bodyOf(api, c, execBody);
    const command = body.command ?? shellWords(body.cmd ?? "");
    if (command === undefined) throw invalid("cmd: a quote is not closed");
    if (command.length === 0) throw invalid("command: must not be empty");
    const record = livingMachineAt(api, c);
    const id = containerFor(record, body.container);
    const seconds = body.timeout === undefined || body.timeout <= 0 ? undefined : body.timeout;
    const late = new AbortController();
    const over = new AbortController();
    api.clock.after(
      (seconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000,
      () => {
        late.abort(new ApiError(408, "deadline_exceeded: the command did not end in time"));
      },
      over.signal,
    );
    const out = collector(late);
    const err = collector(late);
    const stdin = new Blob([body.stdin ?? ""]).stream();
    const signal = AbortSignal.any([late.signal, c.req.raw.signal]);
    const request = { command, tty: false, stdin, stdout: out.stream, stderr: err.stream };
    try {
      const status = await untilAborted(api.runtime.exec(id, request, signal), signal);
      return c.json({
        exit_code: status.exitCode,
        exit_signal: status.signal ?? 0,
        stdout: out.text(),
        stderr: err.text(),
      });
    } catch (error) {
      if (late.signal.aborted) throw late.signal.reason;
      throw error;
    } finally {
      over.abort();
    }
  });
}

function untilAborted(work: Promise<ExitStatus>, signal: AbortSignal): Promise<ExitStatus> {
  const { promise, reject } = Promise.withResolvers<ExitStatus>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", onAbort));
}

function containerFor(
  record: MachineRecord,
  wanted: string | undefined,
): { readonly machineId: string; readonly name: string; readonly attempt: number } {
  if (wanted !== undefined && containerOf(record, wanted) === undefined) {
    throw new ApiError(404, `container ${wanted} not found`);
  }
  const running = record.containers.filter(({ phase }) => phase === "running");
  const container = running.find(({ name }) => wanted === undefined || name === wanted);
  if (container === undefined) {
    throw precondition(`machine is ${record.state}, its container is not running`);
  }
  return { machineId: record.id, name: container.name, attempt: container.attempt };
}

function collector(tooMuch: AbortController): {
  readonly stream: WritableStream<Uint8Array>;
  text(): string;
} {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const stream = new WritableStream<Uint8Array>({
    write(part) {
      bytes += part.byteLength;
      if (bytes <= MAX_OUTPUT_BYTES) parts.push(part.slice());
      else tooMuch.abort(new ApiError(400, "invalid_argument: output larger than 8 MiB"));
    },
  });
  return { stream, text: () => Buffer.concat(parts).toString() };
}
