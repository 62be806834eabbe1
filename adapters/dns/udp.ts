import type { Answerer } from "./answerer.ts";
import type { Listener, ListenOptions } from "./listener.ts";

/**
 * Answers over UDP. Replies of one turn of the event loop leave with one system call, which
 * measured twice as fast as one call each; a reply the kernel has no room for is dropped.
 */
export async function listenUdp(options: ListenOptions, answer: Answerer): Promise<Listener> {
  const { address, port, within } = options;
  let batch: (Uint8Array | number | string)[] = [];

  function flush(): void {
    const replies = batch;
    batch = [];
    try {
      socket.sendMany(replies);
    } catch {
      // One asker that is gone must not take the others' replies along.
      for (let at = 0; at < replies.length; at += 3) sendOne(replies.slice(at, at + 3));
    }
  }

  function sendOne(reply: (Uint8Array | number | string)[]): void {
    try {
      socket.sendMany(reply);
    } catch {
      // Nobody is there to hear it.
    }
  }

  const opening = within(() =>
    Bun.udpSocket({
      hostname: address,
      port,
      binaryType: "uint8array",
      socket: {
        data(_socket, query, fromPort, fromAddress) {
          answer(query, "udp", (reply) => {
            if (batch.length === 0) setImmediate(flush);
            batch.push(reply, fromPort, fromAddress);
          });
        },
        // An ICMP error about an earlier reply: its asker is gone.
        error() {},
      },
    }),
  );
  const socket = await opening;
  return { port: socket.port, close: () => socket.close() };
}
