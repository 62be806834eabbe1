import type { WebSocket } from "ws";
import type { Pipe, PipeListener } from "../pipe.ts";
import { bytesOf } from "./channels.ts";

/** Above this the writer waits. */
const HELD_MAX_BYTES = 1_048_576;

/** A WebSocket whose binary messages are one stream of bytes, cut anywhere. */
export function websocketPipe(ws: WebSocket): Pipe {
  let listening: PipeListener | undefined;
  const onSent = (): void => {
    if (ws.bufferedAmount <= HELD_MAX_BYTES) listening?.drained();
  };

  return {
    write(head, body) {
      if (ws.readyState !== ws.OPEN) return true;
      ws.send(body === undefined ? head : Buffer.concat([head, body]), onSent);
      return ws.bufferedAmount <= HELD_MAX_BYTES;
    },
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    end: () => ws.close(1000),
    destroy: () => ws.terminate(),
    listen(listener) {
      listening = listener;
      ws.on("message", (data) => listener.data(bytesOf(data)));
      ws.on("error", () => ws.terminate());
      ws.once("close", () => listener.closed());
    },
  };
}
