import type { ChildSpec } from "#core/supervisor/child.ts";
import { serverUrl } from "../engine.ts";
import { type K3sArgs, k3sArgs } from "./args.ts";
import { giveUpFor } from "./troubles.ts";

/** The name of the one child. */
export const K3S = "k3s";

/** How fast a slow disk writes a database anew, which K3s does with its own at every start. */
const REWRITTEN_BYTES_PER_MS = 10_000;
/** It needs two or three seconds; what is still under way is cut then, too. */
const GRACE_MS = 10_000;

export interface K3sChild extends K3sArgs {
  /** K3s' executable. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
  /** Children that make the plan's address before anything can listen on it. */
  readonly addressBy: readonly string[];
  /** How long getting ready may take with a small database. */
  readonly startTimeoutMs: number;
  /** Its size at this moment. */
  readonly databaseBytes: () => number;
}

/** K3s as a child to keep alive. Pure. */
export function k3sChild(options: K3sChild): ChildSpec {
  const { program, env, addressBy, plan, files, tokenFile } = options;
  const { startTimeoutMs, databaseBytes } = options;
  const server = serverUrl(plan);
  const https = { kind: "https", ca: files.serverCa } as const;
  return {
    name: K3S,
    command: [program, ...k3sArgs(options)],
    env,
    cwd: files.folder,
    after: addressBy,
    probe: {
      kind: "in-turn",
      steps: [
        // Answers long before the API does.
        { what: "its supervisor", probe: { ...https, url: `${server}/ping` } },
        { what: "the API", probe: { ...https, url: `${server}/readyz`, ...files.admin } },
        // The last to get ready; it knows kubelets by the token, and no administrator.
        {
          what: "its controllers",
          probe: {
            ...https,
            url: `${server}/v1-k3s/readyz`,
            basic: { user: "node", passwordFile: tokenFile },
          },
        },
      ],
    },
    // It says nothing while it unpacks itself, and one limit is enough.
    startTimeoutMs: Number.POSITIVE_INFINITY,
    readyTimeoutMs: () => startTimeoutMs + Math.ceil(databaseBytes() / REWRITTEN_BYTES_PER_MS),
    graceMs: GRACE_MS,
    giveUp: giveUpFor,
  };
}
