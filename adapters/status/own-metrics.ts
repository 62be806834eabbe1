import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from "prom-client";
import type { DatastoreReport } from "#core/status/report.ts";
import type { ChildReport } from "#core/supervisor/child-report.ts";

/** The supervisor's own metrics in Prometheus text; asked for, not kept. */
export interface OwnMetrics {
  text(): Promise<string>;
}

interface Figures {
  readonly version: string;
  readonly children: () => readonly ChildReport[];
  readonly datastore: () => DatastoreReport | undefined;
}

export function ownMetrics({ version, children, datastore }: Figures): OwnMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const build = new Gauge({
    name: "fks_build_info",
    help: "Version of fks-node; the value is always 1.",
    labelNames: ["version"],
    registers: [],
  });
  build.set({ version }, 1);
  registry.registerMetric(build);
  registry.registerMetric(
    childGauge("fks_child_ready", "1 when the child process is ready.", () =>
      children().map(({ name, ready }) => [name, ready ? 1 : 0]),
    ),
  );
  registry.registerMetric(
    childGauge("fks_child_restarts", "Deaths of the child process nobody asked for.", () =>
      children().map(({ name, restarts }) => [name, restarts]),
    ),
  );
  for (const metric of datastoreMetrics(datastore)) registry.registerMetric(metric);
  return { text: () => registry.metrics() };
}

function datastoreMetrics(datastore: Figures["datastore"]): readonly Metric[] {
  const bytes = (name: string, help: string, of: (report: DatastoreReport) => number): Gauge =>
    new Gauge({
      name,
      help,
      registers: [],
      collect() {
        const report = datastore();
        if (report === undefined) this.remove();
        else this.set(of(report));
      },
    });
  const alarms = new Counter({
    name: "fks_datastore_alarms_total",
    help: "Alarms of the control plane's datastore.",
    labelNames: ["kind"],
    registers: [],
    collect() {
      this.reset();
      const counts = Object.entries(datastore()?.alarmCounts ?? {});
      for (const [kind, count] of counts) this.inc({ kind }, count);
    },
  });
  return [
    bytes(
      "fks_datastore_size_bytes",
      "Size of the control plane's datastore, without its write-ahead log.",
      ({ sizeBytes }) => sizeBytes,
    ),
    bytes("fks_datastore_wal_bytes", "Size of its write-ahead log.", ({ walBytes }) => walBytes),
    alarms,
  ];
}

function childGauge(
  name: string,
  help: string,
  values: () => readonly (readonly [string, number])[],
): Gauge<"name"> {
  return new Gauge({
    name,
    help,
    labelNames: ["name"],
    registers: [],
    collect() {
      this.reset();
      for (const [child, value] of values()) this.set({ name: child }, value);
    },
  });
}
