import type { Clock } from "#core/ports/clock.ts";

/** Asks the roles on their unix sockets; a role that does not answer has nothing to tell. */
export interface RoleClient {
  metrics(socketPath: string, signal: AbortSignal): Promise<string>;
  /** JSON, unchecked. */
  details(socketPath: string, signal: AbortSignal): Promise<unknown>;
}

const TIMEOUT_MS = 1_000;

export function roleClient(clock: Clock): RoleClient {
  async function ask(
    socketPath: string,
    target: string,
    signal: AbortSignal,
  ): Promise<Response | undefined> {
    const deadline = AbortSignal.any([signal, clock.timeout(TIMEOUT_MS)]);
    try {
      const response = await fetch(`http://role${target}`, { unix: socketPath, signal: deadline });
      return response.ok ? response : undefined;
    } catch {
      signal.throwIfAborted();
      return undefined;
    }
  }

  return {
    async metrics(socketPath, signal) {
      const response = await ask(socketPath, "/metrics", signal);
      return (await response?.text().catch(() => "")) ?? "";
    },
    async details(socketPath, signal) {
      const response = await ask(socketPath, "/details", signal);
      return response?.json().catch(() => undefined);
    },
  };
}
