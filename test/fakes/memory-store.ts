import { FksError } from "#core/errors.ts";
import type { Machine, MachineState } from "#core/fly/machine.ts";
import type { Clock } from "#core/ports/clock.ts";
import {
  allEnded,
  type ContainerEnd,
  inState,
  type MemoryMachine,
  newMachine,
  running,
  withReport,
} from "./memory-machine.ts";

/** Told of every change; `undefined` when the Machine is gone. */
export type Listener = (id: string, found: MemoryMachine | undefined) => void;

/** The Machines there are, and their life over time. */
export interface MemoryStore {
  add(app: string, machine: Machine): MemoryMachine;
  /** Throws `NotFound`; a destroyed Machine is still found, as on Fly. */
  find(app: string, id: string): MemoryMachine;
  all(): readonly MemoryMachine[];
  change(id: string, next: (found: MemoryMachine) => MemoryMachine): void;
  setState(id: string, state: MachineState): void;
  /** created → starting → started; containers follow unless they await a bundle. */
  launch(id: string): void;
  /** stopping → stopped. */
  stop(id: string, end: ContainerEnd): void;
  /** stopping → stopped → starting → started. */
  restart(id: string, end: ContainerEnd): void;
  /** destroying → destroyed, then gone from lists. */
  destroy(id: string): void;
  subscribe(listener: Listener): () => void;
}

/** Each step of a life takes `stepMs` on the clock; with 0 it is done before the call returns. */
export function memoryStore(clock: Clock, stepMs: number): MemoryStore {
  const found = new Map<string, MemoryMachine>();
  const listeners = new Set<Listener>();

  function change(id: string, next: (found: MemoryMachine) => MemoryMachine): void {
    const before = found.get(id);
    if (before === undefined) throw new FksError("NotFound", `no Machine ${id} in memory`);
    put(next(before));
  }

  function put(next: MemoryMachine): void {
    found.set(next.machine.id, next);
    for (const listener of listeners) listener(next.machine.id, next);
  }

  function setState(id: string, state: MachineState): void {
    change(id, (before) => inState(before, state, clock.now()));
  }

  /** Takes the steps one after the other, as long as nobody else moved the Machine meanwhile. */
  function steps(id: string, states: readonly MachineState[], done: () => void): void {
    const [state, ...rest] = states;
    if (state === undefined) return done();
    const from = found.get(id)?.machine.state;
    later(() => {
      if (found.get(id)?.machine.state !== from) return;
      setState(id, state);
      steps(id, rest, done);
    });
  }

  function later(fire: () => void): void {
    if (stepMs === 0) fire();
    else clock.after(stepMs, fire, new AbortController().signal);
  }

  function up(before: MemoryMachine): MemoryMachine {
    const nowMs = clock.now();
    const ready = withReport(before, { networkReadyAt: new Date(nowMs).toISOString() });
    return ready.report.awaits === undefined ? running(ready, nowMs) : ready;
  }

  function launch(id: string): void {
    steps(id, ["starting", "started"], () => change(id, up));
  }

  function stop(id: string, end: ContainerEnd, then?: () => void): void {
    setState(id, "stopping");
    later(() => {
      if (found.get(id)?.machine.state !== "stopping") return;
      change(id, (before) => allEnded(before, end, clock.now()));
      setState(id, "stopped");
      then?.();
    });
  }

  return {
    add(app, machine) {
      const added = inState(newMachine(app, machine), "created", clock.now());
      put(added);
      return added;
    },
    find(app, id) {
      const machine = found.get(id);
      if (machine?.app === app) return machine;
      throw new FksError("NotFound", `machine not found: ${id} in ${app}`);
    },
    all: () => [...found.values()].filter(({ machine }) => machine.state !== "destroyed"),
    change,
    setState,
    launch,
    stop,
    restart: (id, end) => stop(id, end, () => launch(id)),
    destroy(id) {
      setState(id, "destroying");
      later(() => {
        if (found.get(id)?.machine.state !== "destroying") return;
        change(id, (before) => allEnded(before, { exitCode: 137, signal: 9 }, clock.now()));
        setState(id, "destroyed");
        for (const listener of listeners) listener(id, undefined);
      });
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
