import { z } from "zod";
import { canonicalIp } from "#core/fly/ip.ts";
import {
  MACHINE_STATES,
  type Machine,
  type MachineConfig,
  type MachineEvent,
  type MachineState,
} from "#core/fly/machine.ts";
import type { IpAssignment } from "#core/ports/addresses.ts";

/** What we read of a config; the rest passes untouched, in Fly's own words. */
const readPartOfConfig = z.looseObject({
  image: z.string().exactOptional(),
  metadata: z.record(z.string(), z.string()).exactOptional(),
  containers: z
    .array(z.looseObject({ name: z.string(), image: z.string().exactOptional() }))
    .exactOptional(),
});

const configSchema = z.custom<MachineConfig>((value) => readPartOfConfig.safeParse(value).success, {
  error: "not a Machine config",
});

const exitEventSchema = z.looseObject({
  exit_code: z.number().default(0),
  guest_exit_code: z.number().default(0),
  guest_signal: z.number().default(-1),
  signal: z.number().default(-1),
  oom_killed: z.boolean().default(false),
  requested_stop: z.boolean().default(false),
  restarting: z.boolean().default(false),
  exited_at: z.string().default(""),
  error: z.string().exactOptional(),
  guest_error: z.string().exactOptional(),
});

const requestSchema = z
  .looseObject({
    exit_event: exitEventSchema.exactOptional(),
    restart_count: z.number().exactOptional(),
    MonitorEvent: z.looseObject({ exit_event: exitEventSchema.exactOptional() }).exactOptional(),
  })
  // The older place of the exit event wins, as in Fly's own client.
  .transform(({ MonitorEvent, ...request }): NonNullable<MachineEvent["request"]> => {
    const older = MonitorEvent?.exit_event;
    return older === undefined ? request : { ...request, exit_event: older };
  });

const eventSchema = z.object({
  id: z.string().default(""),
  type: z.string().default(""),
  status: z.string().default(""),
  source: z.enum(["user", "flyd", "proxy"]).catch("flyd"),
  timestamp: z.number(),
  request: requestSchema.exactOptional(),
});

const imageRefSchema = z.object({
  registry: z.string().default(""),
  repository: z.string().default(""),
  tag: z.string().default(""),
  digest: z.string().default(""),
  labels: z.record(z.string(), z.string()).exactOptional(),
});

export const machineSchema: z.ZodType<Machine> = z.object({
  id: z.string().min(1),
  name: z.string(),
  state: z.enum(MACHINE_STATES),
  region: z.string(),
  instance_id: z.string().default(""),
  private_ip: z.string().default(""),
  created_at: z.string(),
  updated_at: z.string(),
  image_ref: imageRefSchema.exactOptional(),
  config: configSchema.exactOptional(),
  incomplete_config: configSchema.exactOptional(),
  events: z.array(eventSchema).default([]),
  containers: z.array(z.object({ name: z.string(), state: z.string() })).exactOptional(),
  host_status: z.enum(["ok", "unknown", "unreachable"]).catch("ok"),
  cordoned: z.boolean().exactOptional(),
});

export const machinesSchema = z.array(machineSchema);

/** How a wait ended; an older server does not tell the state that was reached. */
export type Waited =
  | { readonly isReached: true; readonly state: MachineState | undefined }
  | { readonly isReached: false };

export const waitSchema = z
  .object({ state: z.enum(MACHINE_STATES).optional() })
  .transform(({ state }): Waited => ({ isReached: true, state }));

export const execSchema = z.object({
  exit_code: z.number().default(0),
  exit_signal: z.number().default(0),
  stdout: z.string().default(""),
  stderr: z.string().default(""),
});

export const appSchema = z.object({
  name: z.string(),
  status: z.string().default(""),
  machine_count: z.number().exactOptional(),
});

export const appsSchema = z.object({ apps: z.array(appSchema).default([]) });

export const ipAssignmentSchema: z.ZodType<IpAssignment> = z.object({
  ip: z.string().transform((text) => canonicalIp(text) ?? text),
  region: z.string().default(""),
  service_name: z.string().default(""),
  shared: z.boolean().default(false),
  created_at: z.string().default(""),
});

export const ipAssignmentsSchema = z.object({ ips: z.array(ipAssignmentSchema).default([]) });

/** Answers whose body tells nothing we need. */
export const anySchema = z.unknown();

/** A Go server writes `null` for what is absent. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== null);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNulls(inner)]));
}
