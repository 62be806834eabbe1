import type { Clock } from "#core/ports/clock.ts";
import type { Pipe } from "../pipe.ts";
import type { Forward } from "../port-forward.ts";
import type { SessionScope } from "../remote-streams.ts";
import { STREAM_CREATION_TIMEOUT_MS } from "./command.ts";
import { spdyConnection } from "./connection.ts";
import type { SpdyStream } from "./stream.ts";

export const FORWARD_PROTOCOL = "portforward.k8s.io";
/** Two for each connection that is forwarded. */
const STREAMS_MAX = 2_000;

interface ForwardRequest {
  readonly forward: Forward;
  readonly clock: Clock;
  readonly scope: SessionScope;
}

/**
 * Forwards every pair of streams (`data` and `error` of one request id) as a connection of its
 * own, until the client goes away. What fails on one pair leaves the others alone.
 */
export function spdyForward(pipe: Pipe, request: ForwardRequest): Promise<void> {
  const { forward, clock, scope } = request;
  const halves = new Map<string, SpdyStream>();
  const over = Promise.withResolvers<void>();

  const connection = spdyConnection(pipe, {
    clock,
    maxStreams: STREAMS_MAX,
    active: scope.active,
    opened(stream) {
      const type = stream.headers.get("streamtype");
      const port = Number(stream.headers.get("port"));
      const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535;
      if ((type !== "data" && type !== "error") || !isPort) return stream.reset();

      const id = requestIdOf(stream, type);
      const other = halves.get(id);
      if (other === undefined) return awaitOther(id, stream);
      halves.delete(id);
      if (other.headers.get("streamtype") === type) {
        stream.reset();
        return other.reset();
      }
      const [data, error] = type === "data" ? [stream, other] : [other, stream];
      void forward({
        port,
        readable: data.readable,
        writable: data.writable,
        error: error.writable,
        signal: data.signal,
      });
      // Nothing is said to us on the error stream; its end is of no interest.
      void error.readable.cancel().catch(() => undefined);
    },
    closed: () => over.resolve(),
  });

  function awaitOther(id: string, stream: SpdyStream): void {
    halves.set(id, stream);
    clock.after(
      STREAM_CREATION_TIMEOUT_MS,
      () => {
        if (halves.get(id) !== stream) return;
        halves.delete(id);
        stream.reset();
      },
      stream.signal,
    );
  }

  scope.signal.addEventListener("abort", () => connection.close(), { once: true });
  if (scope.signal.aborted) connection.close();
  return over.promise;
}

/** Old clients name no request: they open the error stream first and the data stream next. */
function requestIdOf(stream: SpdyStream, type: "data" | "error"): string {
  const named = stream.headers.get("requestid");
  return named ?? `stream ${type === "error" ? stream.id : stream.id - 2}`;
}
