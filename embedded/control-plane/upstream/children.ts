import { dirname } from "node:path";
import type { ChildSpec } from "#core/supervisor/child.ts";
import { serverUrl } from "../engine.ts";
import {
  apiserverArgs,
  CONTROLLER_MANAGER_PORT,
  controllerManagerArgs,
  kineArgs,
  SCHEDULER_PORT,
  schedulerArgs,
  type UpstreamPlan,
} from "./args.ts";

interface UpstreamChildren {
  readonly plan: UpstreamPlan;
  /** The executable that carries the four parts. */
  readonly kube: string;
  readonly env: Readonly<Record<string, string>>;
  /** Children that make the plan's address before anything can listen on it. */
  readonly addressBy: readonly string[];
}

/** The four parts as children to keep alive. Pure. */
export function upstreamChildren(options: UpstreamChildren): readonly ChildSpec[] {
  const { plan, kube, env, addressBy } = options;
  const { address, pki } = plan;
  const part = (name: string, args: readonly string[]) => ({
    name,
    command: [kube, name, ...args],
    env,
    cwd: dirname(plan.kine.database),
  });
  const client = (name: "controller-manager" | "scheduler", args: string[], port: number) => ({
    ...part(name, args),
    after: ["apiserver"],
    // Their certificates are self-made at each start; the address is ours, and health is no secret.
    probe: { kind: "https" as const, url: `${serverUrl({ address, port })}/healthz` },
    startTimeoutMs: 60_000,
    graceMs: 2_000,
  });

  return [
    {
      ...part("kine", kineArgs(plan)),
      after: [],
      probe: { kind: "unix-socket", path: plan.kine.socket },
      startTimeoutMs: 60_000,
      graceMs: 2_000,
    },
    {
      ...part("apiserver", apiserverArgs(plan)),
      // Stopped before kine: without its datastore it would hang in its shutdown for minutes.
      after: ["kine", ...addressBy],
      probe: {
        kind: "https",
        url: `${serverUrl(plan)}/readyz`,
        ca: pki.pair("server-ca").cert,
        cert: pki.pair("admin").cert,
        key: pki.pair("admin").key,
      },
      startTimeoutMs: 120_000,
      graceMs: 5_000,
    },
    client("controller-manager", controllerManagerArgs(plan), CONTROLLER_MANAGER_PORT),
    client("scheduler", schedulerArgs(plan), SCHEDULER_PORT),
  ];
}
