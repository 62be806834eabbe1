/** A record as the two protocols show it. */

import type { Machine, MachineConfig } from "#core/fly/machine.ts";
import type { ContainerReport, MachineReport } from "#core/fly/machine-protocol.ts";
import { policyOf } from "./policy.ts";
import { type ContainerRecord, iso, type MachineRecord } from "./record.ts";
import { roleOf } from "./roles.ts";
import { guestOf, readyAtOf } from "./specs.ts";

const EVENTS_SHOWN = 20;

/** The Machine of the public API, with what fly-go and flyctl look for beside our own fields. */
export function machineView(record: MachineRecord, address: string): Machine & MachineExtras {
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    region: record.region,
    instance_id: record.instanceId,
    version: record.instanceId,
    private_ip: address,
    created_at: iso(record.createdMs),
    updated_at: iso(record.updatedMs),
    host_status: "ok",
    cordoned: record.cordoned,
    ...(record.imageRef === undefined ? {} : { image_ref: record.imageRef }),
    config: configView(record.config),
    checks: [],
    events: record.events.slice(0, EVENTS_SHOWN),
    ...(record.config.containers === undefined
      ? {}
      : { containers: record.containers.map(containerView) }),
  };
}

interface MachineExtras {
  readonly version: string;
  readonly checks: readonly never[];
}

/** Clients read these without asking whether they are there. */
function configView(config: MachineConfig): MachineConfig {
  return {
    ...config,
    init: config.init ?? {},
    dns: config.dns ?? {},
    guest: guestOf(config),
    metadata: config.metadata ?? {},
    restart: config.restart ?? { policy: "on-failure", max_retries: 10 },
  };
}

function containerView({ name, phase }: ContainerRecord): { name: string; state: string } {
  const state = phase === "running" ? "started" : phase === "done" ? "stopped" : "created";
  return { name, state };
}

/** What `summary=true` leaves of a Machine. */
export function summaryOf(machine: ReturnType<typeof machineView>): Partial<Machine> {
  const {
    config: _config,
    events: _events,
    host_status: _host,
    checks: _checks,
    ...rest
  } = machine;
  return rest;
}

export function reportOf(record: MachineRecord, hasBundle: boolean): MachineReport {
  const networkReadyAt = readyAtOf(record);
  return {
    revision: record.revision,
    ...(awaitsBundle(record, hasBundle) ? { awaits: "bundle" as const } : {}),
    ...(networkReadyAt === undefined ? {} : { networkReadyAt }),
    containers: record.containers.map((container) => containerReport(record, container)),
    events: record.containerEvents,
    ...(record.ended === undefined ? {} : { ended: record.ended }),
  };
}

const AWAITING_STATES: ReadonlySet<string> = new Set([
  "created",
  "starting",
  "started",
  "restarting",
  "replacing",
]);

function awaitsBundle(record: MachineRecord, hasBundle: boolean): boolean {
  return (
    !hasBundle &&
    policyOf(record.config).awaitsBundle &&
    AWAITING_STATES.has(record.state) &&
    record.containers.some(({ phase }) => phase !== "done")
  );
}

function containerReport(record: MachineRecord, container: ContainerRecord): ContainerReport {
  // As in Kubernetes an init container is ready once it has done its work.
  const isDone = container.phase === "done" && container.exit?.exitCode === 0;
  return {
    name: container.name,
    image: container.image,
    imageID: container.imageID,
    containerID: container.containerID,
    restartCount: container.restartCount,
    state: container.shown,
    ...(container.lastState === undefined ? {} : { lastState: container.lastState }),
    started: container.isStarted,
    ...(container.resources === undefined ? {} : { resources: container.resources }),
    ...(container.user === undefined ? {} : { user: container.user }),
    ready: container.isReady || (isDone && roleOf(record, container.name) === "init"),
  };
}
