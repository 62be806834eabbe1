import { plainTextFor } from "#core/kubelet/exec-status.ts";
import type { Streams } from "#core/kubelet/routes.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Pipe } from "../pipe.ts";
import { closed, type RemoteStreams, type SessionScope } from "../remote-streams.ts";
import { spdyConnection } from "./connection.ts";
import type { SpdyStream } from "./stream.ts";

export const STREAM_CREATION_TIMEOUT_MS = 30_000;
/** The seven that Kubernetes could ever mean, and room for a client that is confused. */
const STREAMS_MAX = 16;

/** Newest first; a client names several and gets the first of its own that we know. */
export const COMMAND_PROTOCOLS = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
] as const;

interface CommandRequest {
  readonly wanted: Streams;
  /** One of `COMMAND_PROTOCOLS`; empty is the oldest. */
  readonly protocol: string;
  readonly clock: Clock;
  readonly scope: SessionScope;
}

/**
 * Resolves once every stream the command needs is there: starting earlier deadlocks, because Go's
 * read loop blocks on a stream that nobody reads yet. Rejects when they do not come in time.
 */
export function spdyCommand(pipe: Pipe, request: CommandRequest): Promise<RemoteStreams> {
  const { wanted, protocol, clock, scope } = request;
  const expected = expectedStreams(wanted, protocol);
  const streams = new Map<string, SpdyStream>();
  const gone = new AbortController();
  const over = Promise.withResolvers<void>();
  const ready = Promise.withResolvers<RemoteStreams>();

  const connection = spdyConnection(pipe, {
    clock,
    maxStreams: STREAMS_MAX,
    active: scope.active,
    opened(stream) {
      const type = stream.headers.get("streamtype") ?? "";
      if (!expected.includes(type) || streams.has(type)) return stream.reset();
      streams.set(type, stream);
      if (streams.size === expected.length) ready.resolve(remoteStreams());
    },
    closed(error) {
      gone.abort(error ?? new Error("the client closed the connection"));
      over.resolve();
      ready.reject(gone.signal.reason);
    },
  });

  clock.after(
    STREAM_CREATION_TIMEOUT_MS,
    () => {
      if (streams.size < expected.length) pipe.destroy();
    },
    AbortSignal.any([gone.signal, scope.signal]),
  );
  scope.signal.addEventListener("abort", () => pipe.destroy(), { once: true });
  if (scope.signal.aborted) pipe.destroy();

  function remoteStreams(): RemoteStreams {
    const [stdin, stdout, stderr] = ["stdin", "stdout", "stderr"].map((type) => streams.get(type));
    const resize = streams.get("resize");
    return {
      ...(stdin && { stdin: stdin.readable }),
      ...(stdout && { stdout: stdout.writable }),
      ...(stderr && { stderr: stderr.writable }),
      ...(resize && { resize: resize.readable }),
      signal: gone.signal,
      async finish(status) {
        await Promise.all([closed(stdout?.writable), closed(stderr?.writable)]);
        const takesStatus = protocol.startsWith("v4") || protocol.startsWith("v5");
        const text = takesStatus ? JSON.stringify(status) : plainTextFor(status);
        const writer = streams.get("error")?.writable.getWriter();
        const told = writer?.write(Buffer.from(text)).then(() => writer.close());
        await told?.catch(() => undefined);
        connection.close();
        await over.promise;
      },
    };
  }

  return ready.promise;
}

function expectedStreams(wanted: Streams, protocol: string): readonly string[] {
  const hasResize = /^v[345]\./.test(protocol);
  return [
    "error",
    ...(wanted.stdin ? ["stdin"] : []),
    ...(wanted.stdout ? ["stdout"] : []),
    ...(wanted.stderr ? ["stderr"] : []),
    ...(wanted.tty && hasResize ? ["resize"] : []),
  ];
}
