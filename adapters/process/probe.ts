import { readFile } from "node:fs/promises";
import { messageOf } from "#core/errors.ts";
import type { ProbeResult, SingleProbe } from "#core/ports/processes.ts";

const REASON_MAX_LENGTH = 300;

/** Asks a child once whether it is ready. Never throws but for `signal`. */
export async function probeOnce(probe: SingleProbe, signal: AbortSignal): Promise<ProbeResult> {
  try {
    if (probe.kind === "unix-socket") return await connects(probe.path);
    const response = await ask(probe, signal);
    const text = await response.text();
    if (response.ok) return { outcome: "ready" };
    return { outcome: "unready", reason: reasonIn(text) ?? `answers ${response.status}` };
  } catch (error) {
    if (signal.aborted) throw error;
    return { outcome: "silent", reason: sentenceFor(error) };
  }
}

async function connects(path: string): Promise<ProbeResult> {
  const socket = await Bun.connect({ unix: path, socket: { data() {} } });
  socket.end();
  return { outcome: "ready" };
}

async function ask(
  probe: Exclude<SingleProbe, { kind: "unix-socket" }>,
  signal: AbortSignal,
): Promise<Response> {
  // A pooled connection may belong to a predecessor of the child that runs now.
  const common = { signal, keepalive: false } as const;
  if (probe.kind === "http-on-unix-socket") {
    return fetch(`http://child${probe.target}`, { ...common, unix: probe.path });
  }
  const [ca, cert, key] = await Promise.all([
    textOf(probe.ca),
    textOf(probe.cert),
    textOf(probe.key),
  ]);
  return fetch(probe.url, {
    ...common,
    tls: {
      rejectUnauthorized: ca !== undefined,
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    },
  });
}

async function textOf(path: string | undefined): Promise<string | undefined> {
  return path === undefined ? undefined : readFile(path, "utf8");
}

/** Our roles answer `{"reason": …}`; Kubernetes' parts list their checks, failed ones with `[-]`. */
function reasonIn(text: string): string | undefined {
  const failed = text
    .split("\n")
    .filter((line) => line.startsWith("[-]"))
    .map((line) => line.slice(3).split(" ")[0]);
  if (failed.length > 0) return `not ready: ${failed.join(", ")}`.slice(0, REASON_MAX_LENGTH);
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer !== "object" || answer === null || !("reason" in answer)) return undefined;
    return String(answer.reason).slice(0, REASON_MAX_LENGTH);
  } catch {
    return text.split("\n")[0]?.slice(0, REASON_MAX_LENGTH) || undefined;
  }
}

function sentenceFor(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT":
    case "ECONNREFUSED":
    case "ConnectionRefused":
    case "FailedToOpenSocket":
      return "does not listen yet";
    default:
      return messageOf(error);
  }
}
