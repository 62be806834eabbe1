import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { CallBudget } from "#adapters/flaps/budget.ts";
import { FksError } from "#core/errors.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Machines } from "#core/ports/machines.ts";
import type { PodEvents, Pods } from "#core/ports/pods.ts";

export interface KubeletMetrics {
  /** The same parts, counted. */
  machines(inner: Machines): Machines;
  pods<P extends Pods>(inner: P): P;
  events(inner: PodEvents): PodEvents;
  budget(inner: CallBudget): CallBudget;
  /** A number that is read when somebody asks for the text. */
  gauge(name: string, help: string, read: () => number): void;
  /** Prometheus text. */
  text(): Promise<string>;
}

/** What the kubelet role counts: what it did to Machines and Pods, and how long it waited. */
export function kubeletMetrics(clock: Clock): KubeletMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const gauges: (() => void)[] = [];
  const calls = new Counter({
    name: "fks_machine_calls_total",
    help: "Calls that change Machines, by what came of them.",
    labelNames: ["call", "outcome"],
    registers,
  });
  const writes = new Counter({
    name: "fks_pod_writes_total",
    help: "Writes about Pods to the API server, by what came of them.",
    labelNames: ["write", "outcome"],
    registers,
  });
  const waits = new Histogram({
    name: "fks_call_budget_wait_seconds",
    help: "Time a call to the Machines API waited for its turn.",
    labelNames: ["action"],
    buckets: [0.001, 0.1, 1, 5, 30],
    registers,
  });

  const machineCall = <T>(call: string, doing: Promise<T>): Promise<T> =>
    counted(calls, { call }, doing);

  return {
    machines: (inner) => ({
      ...inner,
      create: (...args) => machineCall("create", inner.create(...args)),
      update: (...args) => machineCall("update", inner.update(...args)),
      start: (...args) => machineCall("start", inner.start(...args)),
      stop: (...args) => machineCall("stop", inner.stop(...args)),
      destroy: (...args) => machineCall("destroy", inner.destroy(...args)),
    }),
    pods: (inner) => ({
      ...inner,
      patchStatus: (...args) => counted(writes, { write: "status" }, inner.patchStatus(...args)),
      remove: (...args) => counted(writes, { write: "remove" }, inner.remove(...args)),
    }),
    events: (inner) => ({
      record: (...args) => counted(writes, { write: "event" }, inner.record(...args)),
    }),
    budget: (inner) => ({
      ...inner,
      async take(call, signal) {
        const startedAt = clock.now();
        await inner.take(call, signal);
        waits.observe({ action: call.action }, (clock.now() - startedAt) / 1_000);
      },
    }),
    gauge(name, help, read) {
      const gauge = new Gauge({ name, help, registers });
      gauges.push(() => gauge.set(read()));
    },
    text() {
      for (const refresh of gauges) refresh();
      return registry.metrics();
    },
  };
}

/** Counts what comes of `doing`. */
async function counted<T>(
  counter: Counter,
  labels: Readonly<Record<string, string>>,
  doing: Promise<T>,
): Promise<T> {
  try {
    const result = await doing;
    counter.inc({ ...labels, outcome: "ok" });
    return result;
  } catch (error) {
    counter.inc({ ...labels, outcome: outcomeOf(error) });
    throw error;
  }
}

function outcomeOf(error: unknown): string {
  return error instanceof FksError ? error.code : "bug";
}
