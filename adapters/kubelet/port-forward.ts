import { FksError, messageOf } from "#core/errors.ts";
import type { MachineRef } from "#core/fly/machine-protocol.ts";
import type { Pod } from "#core/kube/pod.ts";
import { isUdpOnly } from "#core/kubelet/udp-ports.ts";
import type { Log } from "#core/ports/log.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";

/** One connection a client wants to a port of the Pod. */
export interface Forwarded {
  readonly port: number;
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  /** Plain text, and the end of it says that the connection is over. */
  readonly error: WritableStream<Uint8Array>;
  /** Aborts when the client gave up this connection. */
  readonly signal: AbortSignal;
}

/** Settles when the connection is over; never rejects. */
export type Forward = (forwarded: Forwarded) => Promise<void>;

interface ForwardDeps {
  readonly protocol: MachineProtocol;
  readonly log: Log;
}

/** Forwards connections into the Pod's Machine until `signal` aborts. */
export function podForward(
  deps: ForwardDeps,
  pod: Pod,
  machine: MachineRef,
  signal: AbortSignal,
): Forward {
  return async ({ port, readable, writable, error, signal: given }) => {
    const cut = new AbortController();
    const until = AbortSignal.any([signal, given, cut.signal]);
    try {
      const connection = await deps.protocol.connect(machine, port, until);
      // Each direction ends by itself. A direction that is cut takes the other one along.
      const up = readable.pipeTo(connection.writable, { signal: until });
      const down = connection.readable.pipeTo(writable, { signal: until });
      up.catch(() => undefined);
      await down;
      // The client waits for this end before it lets go of its half.
      await error.close();
      await up;
    } catch (err) {
      if (!until.aborted && !(err instanceof FksError)) deps.log.debug("port-forward cut", { err });
      cut.abort(err);
      await Promise.allSettled([
        tell(error, failureText(pod, port, err)),
        readable.locked ? undefined : readable.cancel(),
        writable.locked ? undefined : writable.close(),
      ]);
    }
  };
}

async function tell(error: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = error.getWriter();
  await writer.write(Buffer.from(text));
  await writer.close();
}

function failureText(pod: Pod, port: number, err: unknown): string {
  const { name, uid } = pod.metadata;
  const why = isUdpOnly(pod, port) ? `UDP protocol is not supported for ${port}` : messageOf(err);
  return `error forwarding port ${port} to pod ${name}, uid ${uid}: ${why}`;
}
