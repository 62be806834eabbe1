import { z } from "zod";
import { MACHINE_STATES, type Machine } from "#core/fly/machine.ts";
import type {
  ExitStatus,
  MachineChange,
  MachineReport,
  MachineUsage,
} from "#core/fly/machine-protocol.ts";

const terminatedSchema = z.object({
  exitCode: z.number(),
  signal: z.number().exactOptional(),
  reason: z.string(),
  message: z.string().exactOptional(),
  startedAt: z.string(),
  finishedAt: z.string(),
  containerID: z.string(),
});

const stateSchema = z.object({
  waiting: z.object({ reason: z.string(), message: z.string().exactOptional() }).exactOptional(),
  running: z.object({ startedAt: z.string() }).exactOptional(),
  terminated: terminatedSchema.exactOptional(),
});

const containerSchema = z.object({
  name: z.string(),
  image: z.string(),
  imageID: z.string(),
  containerID: z.string(),
  restartCount: z.number(),
  state: stateSchema,
  lastState: stateSchema.exactOptional(),
  started: z.boolean(),
  ready: z.boolean(),
  resources: z
    .object({
      cpu_millis: z.number().exactOptional(),
      memory_bytes: z.number().exactOptional(),
      cpu_shares: z.number().exactOptional(),
    })
    .exactOptional(),
  user: z.object({ uid: z.number(), gid: z.number(), groups: z.array(z.number()) }).exactOptional(),
});

const eventSchema = z.object({
  seq: z.number(),
  container: z.string(),
  type: z.enum(["Normal", "Warning"]),
  reason: z.string(),
  message: z.string(),
  at: z.string(),
});

export const reportSchema: z.ZodType<MachineReport> = z.object({
  revision: z.number(),
  awaits: z.literal("bundle").exactOptional(),
  networkReadyAt: z.string().exactOptional(),
  containers: z.array(containerSchema),
  events: z.array(eventSchema),
  ended: z
    .object({
      reason: z.string(),
      message: z.string(),
      disruption: z.string().exactOptional(),
    })
    .exactOptional(),
});

/** What is read of a Machine; the rest passes untouched, in Fly's own words. */
const readPartOfMachine = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  state: z.enum(MACHINE_STATES),
  region: z.string(),
  instance_id: z.string(),
  private_ip: z.string(),
  created_at: z.string(),
  updated_at: z.string(),
  events: z.array(z.looseObject({ type: z.string(), timestamp: z.number() })),
  config: z
    .looseObject({ metadata: z.record(z.string(), z.string()).exactOptional() })
    .exactOptional(),
});

const machineSchema = z.custom<Machine>((value) => readPartOfMachine.safeParse(value).success, {
  error: "not a Machine",
});

export const changeSchema: z.ZodType<MachineChange> = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("machine"),
    app: z.string(),
    machine: machineSchema,
    report: reportSchema,
  }),
  z.object({ type: z.literal("gone"), app: z.string(), id: z.string() }),
  z.object({ type: z.literal("synced") }),
  z.object({ type: z.literal("ping") }),
]);

const containerUsageSchema = z.object({
  name: z.string(),
  startedAt: z.string(),
  cpuNanoseconds: z.number(),
  memoryBytes: z.number(),
  usageBytes: z.number(),
  rssBytes: z.number(),
  pageFaults: z.number(),
  majorPageFaults: z.number(),
  processes: z.number(),
  rootBytes: z.number().exactOptional(),
  rootInodes: z.number().exactOptional(),
  logBytes: z.number().exactOptional(),
  logInodes: z.number().exactOptional(),
});

const volumeUsageSchema = z.object({
  name: z.string(),
  usedBytes: z.number(),
  usedInodes: z.number().exactOptional(),
  capacityBytes: z.number().exactOptional(),
});

const machineUsageSchema: z.ZodType<MachineUsage> = z.object({
  app: z.string(),
  id: z.string(),
  at: z.string(),
  containers: z.array(containerUsageSchema),
  volumes: z.array(volumeUsageSchema),
  network: z.object({ receivedBytes: z.number(), sentBytes: z.number() }).exactOptional(),
});

export const usageSchema = z.object({ machines: z.array(machineUsageSchema) });

export const keptLogsSchema = z.object({ machines: z.array(z.string()) });

export const exitSchema: z.ZodType<ExitStatus> = z.object({
  exitCode: z.number(),
  signal: z.number().exactOptional(),
});

export const troublesSchema = z.object({
  troubles: z.array(z.object({ reason: z.string(), message: z.string(), at: z.string() })),
});
