import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { RouteTables } from "#core/ports/route-tables.ts";
import type { Route } from "#core/service/route.ts";

export interface ProxyMetrics {
  /** The same tables, timed and counted. */
  tables(inner: RouteTables): RouteTables;
  /** Prometheus text. */
  text(): Promise<string>;
}

/** What the proxy role counts; `routes` are those there are when somebody asks. */
export function proxyMetrics(clock: Clock, routes: () => readonly Route[]): ProxyMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const changes = new Counter({
    name: "fks_proxy_table_changes_total",
    help: "Times the kernel's tables of Services were made (load) or changed (apply), by what came of it.",
    labelNames: ["change", "outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "fks_proxy_table_change_seconds",
    help: "Time it took to make or change the tables.",
    labelNames: ["change"],
    buckets: [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2],
    registers,
  });
  const ports = new Gauge({
    name: "fks_proxy_ports",
    help: "Ports of Services that are served, by whether somebody answers.",
    labelNames: ["endpoints"],
    registers,
  });

  async function counted(change: "load" | "apply", doing: () => Promise<void>): Promise<void> {
    const startedAt = clock.now();
    try {
      await doing();
      changes.inc({ change, outcome: "ok" });
      seconds.observe({ change }, (clock.now() - startedAt) / 1_000);
    } catch (error) {
      changes.inc({ change, outcome: error instanceof FksError ? error.code : "bug" });
      throw error;
    }
  }

  return {
    tables: (inner) => ({
      load: (...args) => counted("load", () => inner.load(...args)),
      apply: (...args) => counted("apply", () => inner.apply(...args)),
    }),
    text() {
      const all = routes();
      const empty = all.filter(({ targets }) => targets.length === 0).length;
      ports.set({ endpoints: "some" }, all.length - empty);
      ports.set({ endpoints: "none" }, empty);
      return registry.metrics();
    },
  };
}
