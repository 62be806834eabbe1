import type { Answerer } from "#core/dns/answerer.ts";
import { UDP_MAX_BYTES } from "#core/dns/respond.ts";
import type { Listener, ListenOptions } from "./listener.ts";

/** Replies that wait to leave together; each has a buffer of its own until then. */
const BATCH_MAX = 1_024;

/**
 * Answers over UDP. Replies of one turn of the event loop leave with one system call, which
 * measured twice as fast as one call each; a reply the kernel has no room for is dropped.
 */
export async function listenUdp(
  options: ListenOptions,
  answerer: Pick<Answerer, "answer">,
): Promise<Listener> {
  const { address, port, within } = options;
  const buffers = Array.from({ length: BATCH_MAX }, () => new Uint8Array(UDP_MAX_BYTES));
  let batch: (Uint8Array | number | string)[] = [];
  let used = 0;

  function flush(): void {
    const replies = batch;
    batch = [];
    used = 0;
    if (replies.length === 0 || socket.closed) return;
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

  function add(reply: Uint8Array, toPort: number, toAddress: string): void {
    if (batch.length === 0) setImmediate(flush);
    batch.push(reply, toPort, toAddress);
  }

  const opening = within(() =>
    Bun.udpSocket({
      hostname: address,
      port,
      binaryType: "uint8array",
      socket: {
        data(_socket, query, fromPort, fromAddress) {
          if (used === BATCH_MAX) flush();
          const into = buffers[used] ?? new Uint8Array(UDP_MAX_BYTES);
          const answer = answerer.answer(query, "udp", fromAddress, into);
          if (typeof answer !== "number") {
            void answer.then((reply) => add(reply, fromPort, fromAddress));
            return;
          }
          if (answer === 0) return;
          used += 1;
          add(into.subarray(0, answer), fromPort, fromAddress);
        },
        // An ICMP error about an earlier reply: its asker is gone.
        error() {},
      },
    }),
  );
  const socket = await opening;
  return { port: socket.port, close: () => socket.close() };
}
