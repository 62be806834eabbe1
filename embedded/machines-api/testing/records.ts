/** Records for tests of the pure parts. */
import type { MachineConfig } from "#core/fly/machine.ts";
import { type Moment } from "../machine-events.ts";
import { machineFor, networkReady } from "../machine-life.ts";
import { type ContainerRecord, containerOf, type MachineRecord } from "../record.ts";
import { settled } from "../settled.ts";

let made = 0;

/** A moment at this time; its ids grow. */
export function at(nowMs: number): Moment {
  return {
    nowMs,
    ids: {
      ulid: () => {
        made += 1;
        return String(made).padStart(26, "0");
      },
    },
  };
}

export const POD_METADATA = {
  fks_awaits: "bundle",
  fks_pod: "web",
  fks_namespace: "shop",
  fks_pod_uid: "uid-1",
} as const;

/** A Pod's Machine with one container `app`, restarted always. */
export const POD: MachineConfig = {
  metadata: POD_METADATA,
  containers: [{ name: "app", image: "web:1", restart: { policy: "always" } }],
};

export function machine(config: MachineConfig, launch = true): MachineRecord {
  return machineFor(
    {
      id: "0a0b0c0d0e0f01",
      app: "demo",
      name: "web",
      region: "local-a",
      serial: 1,
      config,
      launch,
      cordoned: false,
    },
    at(0),
  );
}

/** One whose network is there. */
export function startedMachine(config: MachineConfig): MachineRecord {
  const record: MachineRecord = { ...machine(config), state: "starting" };
  return settled(networkReady(record, at(0)), at(0));
}

export function container(record: MachineRecord, name = "app"): ContainerRecord {
  const found = containerOf(record, name);
  if (found === undefined) throw new Error(`no container ${name}`);
  return found;
}
