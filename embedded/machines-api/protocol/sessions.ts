import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { ContainerId, Runtime } from "../runtime/runtime.ts";
import { type Channels, channelSession, type Session } from "./channels.ts";

interface ExecAsked extends StreamsAsked {
  readonly command: readonly string[];
  readonly tty: boolean;
}

interface StreamsAsked {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

interface SessionParts {
  readonly runtime: Runtime;
  readonly clock: Clock;
}

/** A command in a container, over one WebSocket. */
export function execSession(
  { runtime, clock }: SessionParts,
  id: ContainerId,
  asked: ExecAsked,
  signal: AbortSignal,
): Session {
  return channelSession(
    async (channels, until) => {
      const request = {
        command: asked.command,
        tty: asked.tty,
        ...(asked.stdin ? { stdin: channels.input } : {}),
        ...(asked.stdout ? { stdout: channels.output(1) } : {}),
        ...(asked.stderr && !asked.tty ? { stderr: channels.output(2) } : {}),
        ...(asked.tty ? { resize: channels.resize } : {}),
      };
      await told(channels, async () => channels.end(await runtime.exec(id, request, until)));
    },
    clock,
    signal,
  );
}

/** The streams of a container's own first process, over one WebSocket; it runs on without them. */
export function attachSession(
  { runtime, clock }: SessionParts,
  id: ContainerId,
  asked: StreamsAsked,
  signal: AbortSignal,
): Session {
  return channelSession(
    async (channels, until) => {
      const request = {
        ...(asked.stdin ? { stdin: channels.input } : {}),
        ...(asked.stdout ? { stdout: channels.output(1) } : {}),
        ...(asked.stderr ? { stderr: channels.output(2) } : {}),
        resize: channels.resize,
      };
      await told(channels, async () => channels.end(await runtime.attach(id, request, until)));
    },
    clock,
    signal,
  );
}

/** A TCP connection into a Machine, over one WebSocket. */
export function connectSession(
  { runtime, clock }: SessionParts,
  machineId: string,
  port: number,
  signal: AbortSignal,
): Session {
  return channelSession(
    async (channels, until) => {
      await told(channels, async () => {
        const { readable, writable } = await runtime.connect(machineId, port, until);
        const options = { signal: until };
        await Promise.all([
          channels.input.pipeTo(writable, options),
          readable.pipeTo(channels.output(1), options),
        ]);
      });
    },
    clock,
    signal,
  );
}

/** A failure of the work is told to the client in its own words. */
async function told(channels: Channels, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof FksError)) throw error;
    channels.end({ error: error.message, code: error.code });
  }
}
