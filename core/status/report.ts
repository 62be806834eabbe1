import { type ChildReport, exitText } from "../supervisor/child-report.ts";

/** What the status API tells: how every part is, in the parts' own words. */
export interface StatusReport {
  readonly version: string;
  readonly cluster: ClusterReport;
  /** Absent in roles that run without one. */
  readonly controlPlane?: ControlPlaneReport;
  readonly datastore?: DatastoreReport;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  readonly ready: boolean;
  /** Which parts are not ready, and why. */
  readonly unready: readonly UnreadyPart[];
  readonly parts: readonly PartReport[];
  readonly nodes: readonly NodeReport[];
  /** Pods on our Nodes; absent while nobody can tell. */
  readonly pods?: number;
  /** Machines by state; absent while nobody can tell. */
  readonly machines?: Readonly<Record<string, number>>;
}

export interface ClusterReport {
  readonly name: string;
  readonly networkId: string;
  readonly clusterUid?: string;
  readonly machines: "embedded" | "fly";
  readonly runtime: string;
  readonly dataDir: string;
  /** The API server. */
  readonly api: string;
}

/** Which control plane runs. */
export interface ControlPlaneReport {
  readonly engine: string;
  /** `v1.36.4+k3s1`. */
  readonly version: string;
  /** Its executable. */
  readonly program: string;
  /** How far this engine in this version has been proven. */
  readonly proof: string;
}

/** How the control plane's datastore is. */
export interface DatastoreReport {
  /** Of the file, without what is still in the write-ahead log. */
  readonly sizeBytes: number;
  readonly walBytes: number;
  /** What people should know of now. */
  readonly alarms: readonly DatastoreAlarm[];
  /** How often each kind was there since `serve` started. */
  readonly alarmCounts: Readonly<Record<string, number>>;
}

export interface DatastoreAlarm {
  /** `slow-sql`: stable, for programs. */
  readonly kind: string;
  /** A note may pass by itself; what is serious wants a person. */
  readonly severity: "note" | "serious";
  /** Since `serve` started. */
  readonly count: number;
  /** RFC 3339. */
  readonly lastAt: string;
  readonly sentence: string;
}

export interface UnreadyPart {
  readonly name: string;
  readonly reason: string;
}

/** One process: a part of the control plane or a role of ours. */
export interface PartReport {
  readonly name: string;
  readonly state: ChildReport["state"];
  readonly ready: boolean;
  readonly reason?: string;
  readonly pid?: number;
  /** RFC 3339. */
  readonly startedAt?: string;
  readonly readyAfterMs?: number;
  readonly restarts: number;
  readonly isCrashLoop: boolean;
  /** `exited with 1 at …`. */
  readonly lastExit?: string;
  /** RFC 3339, while it waits for its next start. */
  readonly nextStartAt?: string;
}

export interface NodeReport {
  readonly name: string;
  readonly ready: boolean;
  readonly reason?: string;
}

export interface StatusSources {
  readonly version: string;
  readonly cluster: ClusterReport;
  readonly controlPlane: ControlPlaneReport | undefined;
  readonly datastore: DatastoreReport | undefined;
  readonly startedAtMs: number;
  readonly nowMs: number;
  readonly children: readonly ChildReport[];
  readonly nodes: readonly NodeReport[];
  readonly pods: number | undefined;
  readonly machines: Readonly<Record<string, number>> | undefined;
}

/** The whole report. Pure: it only puts in order what the parts know. */
export function statusReportFor(sources: StatusSources): StatusReport {
  const { version, cluster, controlPlane, datastore, startedAtMs, nowMs } = sources;
  const { children, nodes, pods, machines } = sources;
  const unready = unreadyPartsOf(children);
  return {
    version,
    cluster,
    ...(controlPlane !== undefined && { controlPlane }),
    ...(datastore !== undefined && { datastore }),
    startedAt: timeText(startedAtMs),
    uptimeSeconds: Math.floor((nowMs - startedAtMs) / 1_000),
    ready: unready.length === 0,
    unready,
    parts: children.map(partReportFor),
    nodes,
    ...(pods !== undefined && { pods }),
    ...(machines !== undefined && { machines }),
  };
}

/** Which parts are not ready, and why: what `/readyz` says. */
export function unreadyPartsOf(children: readonly ChildReport[]): readonly UnreadyPart[] {
  return children
    .filter(({ ready }) => !ready)
    .map(({ name, state, reason, isCrashLoop }) => ({
      name,
      reason: `${isCrashLoop ? "keeps dying: " : ""}${reason ?? state}`,
    }));
}

function partReportFor(child: ChildReport): PartReport {
  const { name, state, ready, reason, pid, startedAtMs, readyAfterMs, restarts } = child;
  const { isCrashLoop, lastExit, nextStartAtMs } = child;
  return {
    name,
    state,
    ready,
    ...(reason !== undefined && { reason }),
    ...(pid !== undefined && { pid }),
    ...(startedAtMs !== undefined && { startedAt: timeText(startedAtMs) }),
    ...(readyAfterMs !== undefined && { readyAfterMs }),
    restarts,
    isCrashLoop,
    ...(lastExit !== undefined && {
      lastExit: `${exitText(lastExit)} at ${timeText(lastExit.atMs)}`,
    }),
    ...(nextStartAtMs !== undefined && { nextStartAt: timeText(nextStartAtMs) }),
  };
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
