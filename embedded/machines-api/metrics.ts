import { Counter, Gauge, Registry } from "prom-client";
import type { MachineRecord } from "./record.ts";

/** Distinct field paths counted by name; more are counted together. */
const MAX_PATHS = 500;

export interface Metrics {
  request(method: string, status: number): void;
  unknownFields(paths: readonly string[]): void;
  imagesRemoved(count: number): void;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
}

export function metricsOf(machines: () => Iterable<MachineRecord>): Metrics {
  const registers = [new Registry()];
  const requests = new Counter({
    name: "fks_machines_api_requests_total",
    help: "Answers of the embedded Machines API.",
    labelNames: ["method", "status"],
    registers,
  });
  const unknown = new Counter({
    name: "fks_machines_api_unknown_fields_total",
    help: "JSON fields in requests that the embedded Machines API does not know.",
    labelNames: ["path"],
    registers,
  });
  const removed = new Counter({
    name: "fks_machines_api_images_removed_total",
    help: "Names of images that were removed because no Machine needed them.",
    registers,
  });
  const states = new Gauge({
    name: "fks_machines_api_machines",
    help: "Machines by state.",
    labelNames: ["state"],
    registers,
    collect() {
      this.reset();
      for (const { state } of machines()) this.inc({ state });
    },
  });
  const paths = new Set<string>();
  return {
    request: (method, status) => requests.inc({ method, status: String(status) }),
    unknownFields(found) {
      for (const path of found) {
        if (paths.size < MAX_PATHS) paths.add(path);
        unknown.inc({ path: paths.has(path) ? path : "other" });
      }
    },
    imagesRemoved: (count) => removed.inc(count),
    async text() {
      await states.get();
      return (await Promise.all(registers.map((registry) => registry.metrics()))).join("");
    },
  };
}
