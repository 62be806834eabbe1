import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { ChildReport } from "#core/supervisor/child-report.ts";

/** The supervisor's own metrics in Prometheus text; asked for, not kept. */
export interface OwnMetrics {
  text(): Promise<string>;
}

export function ownMetrics(version: string, children: () => readonly ChildReport[]): OwnMetrics {
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
  return { text: () => registry.metrics() };
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
