/** A runtime under a process that can be killed between any two of its calls. */
import type { ContainerId, Runtime } from "../runtime/runtime.ts";

export interface Mortal {
  readonly runtime: Runtime;
  /** Resolves when the process "died": from then on no call of it does anything or returns. */
  readonly died: Promise<void>;
  readonly isDead: () => boolean;
  /** Lets go of the calls that never returned, so that the instance can be closed. */
  bury(): void;
}

/** The moment of death: at the call with this number, before or after it did its work. */
export interface DeathAt {
  readonly call: number;
  readonly when: "before" | "after";
}

export function mortal(runtime: Runtime, death: DeathAt | undefined): Mortal {
  const died = Promise.withResolvers<void>();
  const grave = Promise.withResolvers<never>();
  grave.promise.catch(() => undefined);
  let calls = 0;
  let isDead = false;

  function die(): Promise<never> {
    isDead = true;
    died.resolve();
    return grave.promise;
  }

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    if (isDead) return grave.promise;
    calls += 1;
    const isLast = calls === death?.call;
    if (isLast && death?.when === "before") return die();
    const result = await work();
    return isLast || isDead ? die() : result;
  }

  /** Changes nothing on the host, so no death is tried here; but the dead hear no answer. */
  async function heard<T>(work: () => Promise<T>): Promise<T> {
    if (isDead) return grave.promise;
    const result = await work();
    return isDead ? grave.promise : result;
  }

  return {
    died: died.promise,
    bury: () => grave.reject(new Error("the process is dead")),
    isDead: () => isDead,
    runtime: {
      ...runtime,
      prepare: (machine, signal) => counted(() => runtime.prepare(machine, signal)),
      start: (container, signal) => counted(() => runtime.start(container, signal)),
      signal: (id, name, signal) => counted(() => runtime.signal(id, name, signal)),
      release: (id, signal) => counted(() => runtime.release(id, signal)),
      remove: (machineId, signal) => counted(() => runtime.remove(machineId, signal)),
      exec: (id, request, signal) => heard(() => runtime.exec(id, request, signal)),
      terminationMessage: (id, signal) => heard(() => runtime.terminationMessage(id, signal)),
      onExit: (listener) =>
        runtime.onExit((exit) => {
          if (!isDead) listener(exit);
        }),
    },
  };
}

/** Remembers which containers were started, and refuses a second one beside one that runs. */
export function watched(runtime: Runtime): Runtime & { readonly started: readonly ContainerId[] } {
  const started: ContainerId[] = [];
  return {
    ...runtime,
    started,
    async start(container, signal) {
      const { machineId, name } = container.id;
      const others = (await runtime.list(signal)).filter(
        ({ id, state }) => id.machineId === machineId && id.name === name && state === "running",
      );
      if (others.length > 0) throw new Error(`two containers ${name} in Machine ${machineId}`);
      started.push(container.id);
      return runtime.start(container, signal);
    },
  };
}
