import type {
  ControlPlaneReport,
  DatastoreAlarm,
  DatastoreReport,
  PartReport,
  StatusReport,
} from "#core/status/report.ts";
import { bytesText } from "./bytes-text.ts";

interface Colors {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
}

/** The report for people: one line for the whole, then a line for each part. */
export function statusText(report: StatusReport, nowMs: number, colors: Colors): string {
  const { cluster, controlPlane, datastore, parts, nodes, pods, machines } = report;
  const width = Math.max(0, ...[...parts, ...nodes].map(({ name }) => name.length));
  const state = report.ready
    ? colors.green("ready")
    : colors.red(`not ready: ${report.unready.map(({ name }) => name).join(", ")}`);
  const lines = [
    `${colors.bold(cluster.name)} is ${state}`,
    colors.dim(
      `API ${cluster.api}${engineText(controlPlane)}, Machines ${cluster.machines}, data in ${cluster.dataDir}`,
    ),
    "",
    ...parts.map((part) => partLine(part, width, nowMs, colors)),
    ...nodes.map(({ name, ready, reason }) =>
      line(ready, `Node ${name}`, width + 5, reason ?? "Ready", colors),
    ),
  ];
  const figures = [
    ...(datastore === undefined ? [] : datastoreLines(datastore, nowMs, colors)),
    ...(pods === undefined ? [] : [`Pods: ${pods}`]),
    ...(machines === undefined ? [] : [`Machines: ${countsText(machines)}`]),
  ];
  if (figures.length > 0) lines.push("", ...figures);
  return `${lines.join("\n")}\n`;
}

function engineText(controlPlane: ControlPlaneReport | undefined): string {
  return controlPlane === undefined ? "" : ` (${controlPlane.engine} ${controlPlane.version})`;
}

/** One line, and one more for each alarm. */
function datastoreLines(
  { sizeBytes, walBytes, alarms }: DatastoreReport,
  nowMs: number,
  colors: Colors,
): readonly string[] {
  const sizes = `Datastore: ${bytesText(sizeBytes)}, write-ahead log ${bytesText(walBytes)}`;
  return [sizes, ...alarms.map((alarm) => alarmLine(alarm, nowMs, colors))];
}

function alarmLine(alarm: DatastoreAlarm, nowMs: number, colors: Colors): string {
  const { kind, severity, count, lastAt, sentence } = alarm;
  const mark = severity === "serious" ? colors.red("✗") : colors.yellow("!");
  const times = count === 1 ? "once" : `${count} times`;
  const ago = durationText(nowMs - Date.parse(lastAt));
  const color = severity === "serious" ? colors.red : colors.yellow;
  return `  ${mark} ${color(kind)}: ${sentence} (${times}, last ${ago} ago)`;
}

function partLine(part: PartReport, width: number, nowMs: number, colors: Colors): string {
  const { name, ready, reason, state, startedAt, restarts, pid } = part;
  const facts = [
    ready && startedAt !== undefined ? `for ${durationText(nowMs - Date.parse(startedAt))}` : state,
    ...(reason === undefined ? [] : [reason]),
    ...(pid === undefined ? [] : [`pid ${pid}`]),
    ...(restarts === 0
      ? []
      : [colors.yellow(`died ${restarts} ${restarts === 1 ? "time" : "times"}`)]),
  ];
  return line(ready, name, width + 5, facts.join(", "), colors);
}

function line(ok: boolean, name: string, width: number, text: string, colors: Colors): string {
  return `  ${ok ? colors.green("✓") : colors.red("✗")} ${name.padEnd(width)}  ${text}`;
}

function countsText(counts: Readonly<Record<string, number>>): string {
  const known = Object.entries(counts).filter(([, count]) => count > 0);
  return known.length === 0
    ? "none"
    : known.map(([state, count]) => `${count} ${state}`).join(", ");
}

/** 59s, 12m, 5h, 3d: the largest unit, as kubectl shows ages. */
function durationText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
