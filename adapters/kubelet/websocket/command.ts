import { plainTextFor } from "#core/kubelet/exec-status.ts";
import type { Streams } from "#core/kubelet/routes.ts";
import type { Clock } from "#core/ports/clock.ts";
import { closed, type RemoteStreams, type SessionScope } from "../remote-streams.ts";
import type { AcceptedWebSocket } from "../upgrade.ts";
import { websocketChannels } from "./channels.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const ERROR = 3;
const RESIZE = 4;

/** In the order we prefer them. */
export const WEBSOCKET_COMMAND_PROTOCOLS = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
  "channel.k8s.io",
  "base64.channel.k8s.io",
] as const;

/** The streams of a command in a WebSocket that was just opened. */
export function websocketCommand(
  { ws, protocol }: AcceptedWebSocket,
  wanted: Streams,
  { scope, clock }: { readonly scope: SessionScope; readonly clock: Clock },
): RemoteStreams {
  const isVersion4 = protocol.startsWith("v4.") || protocol.startsWith("v5.");
  const channels = websocketChannels(ws, {
    isBase64: protocol.includes("base64."),
    hasClose: protocol.startsWith("v5."),
    scope,
    clock,
  });
  const stdout = channels.writable(STDOUT);
  const stderr = channels.writable(STDERR);
  const error = channels.writable(ERROR).getWriter();
  // Clients wait for something to arrive before they believe in the connection.
  const first = wanted.stdout ? stdout : wanted.stderr ? stderr : undefined;
  const greeting = first?.getWriter() ?? error;
  void greeting.write(new Uint8Array()).catch(() => undefined);
  if (greeting !== error) greeting.releaseLock();

  return {
    ...(wanted.stdin && { stdin: channels.readable(STDIN) }),
    ...(wanted.stdout && { stdout }),
    ...(wanted.stderr && { stderr }),
    ...(wanted.tty && isVersion4 && { resize: channels.readable(RESIZE) }),
    signal: channels.signal,
    async finish(status) {
      await Promise.all([
        closed(wanted.stdout ? stdout : undefined),
        closed(wanted.stderr ? stderr : undefined),
      ]);
      const text = isVersion4 ? JSON.stringify(status) : plainTextFor(status);
      if (text !== "") await error.write(Buffer.from(text)).catch(() => undefined);
      await channels.close();
    },
  };
}
