import type { MachineConfig } from "#core/fly/machine.ts";
import { INIT_KEY, SIDECARS_KEY } from "#core/fly/machine-protocol.ts";
import type { MachineRecord } from "./record.ts";

/** What a container is to its Machine; `main` is what it lives for, `added` came while it ran. */
export type Role = "init" | "sidecar" | "main" | "added";

export function roleOf(
  { config, added = [] }: Pick<MachineRecord, "config" | "added">,
  name: string,
): Role {
  if (added.some((one) => one.name === name)) return "added";
  if (namesIn(config, INIT_KEY).includes(name)) return "init";
  return sidecarsOf(config).includes(name) ? "sidecar" : "main";
}

/** In the order they are started in. */
export function sidecarsOf(config: MachineConfig): readonly string[] {
  return namesIn(config, SIDECARS_KEY);
}

/** True when something runs before the containers the Machine lives for. */
export function hasForerunners(config: MachineConfig): boolean {
  return namesIn(config, INIT_KEY).length > 0 || sidecarsOf(config).length > 0;
}

function namesIn({ metadata }: MachineConfig, key: string): readonly string[] {
  return (metadata?.[key] ?? "").split(",").filter((name) => name !== "");
}
