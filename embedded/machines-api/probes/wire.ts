import { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { Connection } from "#core/ports/machine-protocol.ts";

/** A connection to speak a protocol over. */
export interface Wire {
  send(bytes: Uint8Array): Promise<void>;
  /** The next bytes; undefined at the end. */
  receive(): Promise<Uint8Array | undefined>;
  close(): void;
}

export function plainWire({ readable, writable }: Connection): Wire {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  return {
    send: (bytes) => writer.write(bytes),
    receive: async () => (await reader.read()).value,
    close: () => void reader.cancel().catch(() => undefined),
  };
}

/** TLS that believes any certificate, as probes do. `name` is for SNI; an address has none. */
export function tlsWire(connection: Connection, name: string | undefined): Wire {
  const socket = connect({
    socket: Duplex.fromWeb(connection),
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
    ...(name === undefined ? {} : { servername: name }),
  });
  const chunks = socket[Symbol.asyncIterator]();
  return {
    send: (bytes) =>
      new Promise((resolve, reject) => {
        socket.write(bytes, (error) => {
          if (error instanceof Error) reject(error);
          else resolve();
        });
      }),
    receive: async () => {
      const next = await chunks.next();
      return next.done === true ? undefined : next.value;
    },
    close: () => void socket.destroy(),
  };
}
