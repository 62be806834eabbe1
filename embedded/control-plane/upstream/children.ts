import type { ChildSpec } from "#core/supervisor/child.ts";
import {
  API_SERVER_PORT,
  apiserverArgs,
  CONTROLLER_MANAGER_PORT,
  type ControlPlanePlan,
  controllerManagerArgs,
  kineArgs,
  SCHEDULER_PORT,
  schedulerArgs,
} from "./args.ts";

interface ControlPlaneChildren {
  readonly plan: ControlPlanePlan;
  /** The executable that carries the four parts. */
  readonly kube: string;
  readonly env: Readonly<Record<string, string>>;
  /** Children that make the plan's address before anything can listen on it. */
  readonly addressBy: readonly string[];
}

/** The four parts as children to keep alive. Pure. */
export function controlPlaneChildren(options: ControlPlaneChildren): readonly ChildSpec[] {
  const { plan, kube, env, addressBy } = options;
  const { address, pki } = plan;
  const url = (port: number, target: string): string => `https://[${address}]:${port}${target}`;
  const part = (name: string, args: readonly string[]) => ({
    name,
    command: [kube, name, ...args],
    env,
    cwd: plan.kine.folder,
  });
  const client = (name: "controller-manager" | "scheduler", args: string[], port: number) => ({
    ...part(name, args),
    after: ["apiserver"],
    // Their certificates are self-made at each start; the address is ours, and health is no secret.
    probe: { kind: "https" as const, url: url(port, "/healthz") },
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
        url: url(API_SERVER_PORT, "/readyz"),
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
