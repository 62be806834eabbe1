import type { Answerer } from "#core/dns/answerer.ts";
import { FksError } from "#core/errors.ts";
import type { Listener, ListenOptions } from "./listener.ts";
import { listenTcp } from "./tcp.ts";
import { listenUdp } from "./udp.ts";

export interface DnsServer {
  readonly port: number;
  close(): void;
}

/**
 * A DNS server on one address, UDP and TCP, until `signal` aborts or it is closed.
 * Throws FksError `Unavailable` when the address is not there, `Conflict` when it is taken.
 */
export async function dnsServer(
  options: ListenOptions,
  answerer: Pick<Answerer, "answer">,
  signal: AbortSignal,
): Promise<DnsServer> {
  let udp: Listener | undefined;
  try {
    udp = await listenUdp(options, answerer);
    const { port } = udp;
    const tcp = listenTcp({ ...options, port }, answerer);
    const close = (): void => {
      udp?.close();
      tcp.close();
    };
    signal.addEventListener("abort", close, { once: true });
    return {
      port,
      close() {
        signal.removeEventListener("abort", close);
        close();
      },
    };
  } catch (error) {
    udp?.close();
    throw listenError(error, options);
  }
}

function listenError(error: unknown, { address, port }: ListenOptions): unknown {
  if (error instanceof FksError || !(error instanceof Error)) return error;
  const code = "code" in error ? String(error.code) : "";
  const where = `[${address}]:${port}`;
  if (code === "EADDRINUSE") {
    return new FksError("Conflict", `${where} is taken by another process`, { cause: error });
  }
  return new FksError("Unavailable", `cannot listen on ${where}: ${error.message}`, {
    cause: error,
  });
}
