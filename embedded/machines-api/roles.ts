import type { MachineConfig } from "#core/fly/machine.ts";
import { INIT_KEY, SIDECARS_KEY } from "#core/fly/machine-protocol.ts";

/** What a container is to its Machine; `main` is what the Machine lives for. */
export type Role = "init" | "sidecar" | "main";

export function roleOf(config: MachineConfig, name: string): Role {
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
