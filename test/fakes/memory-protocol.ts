import { FksError } from "#core/errors.ts";
import type { MachineChange, MachineRef } from "#core/fly/machine-protocol.ts";
import type { Clock } from "#core/ports/clock.ts";
import type { Connection, MachineProtocol } from "#core/ports/machine-protocol.ts";
import { containerLog, type MemoryLog } from "./memory-logs.ts";
import {
  allEnded,
  inState,
  type MemoryMachine,
  running,
  withAdded,
  withReport,
} from "./memory-machine.ts";
import type { MemoryStore } from "./memory-store.ts";
import { connectionPair, type Program } from "./programs.ts";

const PING_MS = 10_000;

interface MemoryProtocolDeps {
  readonly store: MemoryStore;
  readonly clock: Clock;
  readonly program: Program;
  readonly called: (what: string) => void;
}

interface MemoryProtocol {
  readonly protocol: MachineProtocol;
  /** The log of one container, to write to. */
  log(id: string, container: string): MemoryLog;
  /** What answers on a port inside the Machine. */
  serve(id: string, port: number, answer: (connection: Connection) => void): void;
  /** Every change stream fails now, as when the connection is lost. */
  cutWatches(): void;
}

/** The Machine protocol over the memory world. */
export function memoryProtocol(deps: MemoryProtocolDeps): MemoryProtocol {
  const { store, clock, called } = deps;
  const logs = new Map<string, MemoryLog>();
  const servers = new Map<string, (connection: Connection) => void>();
  let cut = new AbortController();

  function begin(signal: AbortSignal, what: string, ref: MachineRef): MemoryMachine {
    signal.throwIfAborted();
    called(`${what} ${ref.app}/${ref.id}`);
    const found = store.find(ref.app, ref.id);
    if (found.machine.state !== "destroyed") return found;
    throw new FksError("NotFound", `machine not found: ${ref.id}`);
  }

  function log(id: string, container: string): MemoryLog {
    const key = `${id}/${container}`;
    const known = logs.get(key) ?? containerLog(clock);
    logs.set(key, known);
    return known;
  }

  const protocol: MachineProtocol = {
    report: async (ref, signal) => begin(signal, "report", ref).report,

    async deliver(ref, bundle, signal) {
      begin(signal, "deliver", ref);
      store.change(ref.id, (found) => {
        const { awaits, ...report } = found.report;
        const next = withReport({ ...found, report, bundle }, {});
        const isUp = found.machine.state === "started";
        const isFirst = awaits !== undefined || wasRefused(found);
        return isFirst && isUp ? running(next, clock.now()) : next;
      });
    },

    async addContainer(ref, name, { image }, signal) {
      const { report, machine } = begin(signal, "addContainer", ref);
      if (report.containers.some((one) => one.name === name)) return;
      if (machine.state !== "started") throw new FksError("Conflict", "the Machine does not run");
      store.change(ref.id, (found) => withAdded(found, { name, image }, clock.now()));
    },

    async writeFiles(ref, volume, files, signal) {
      const { bundle } = begin(signal, "writeFiles", ref);
      if (bundle?.volumes[volume] === undefined) {
        throw new FksError("NotFound", `no volume ${volume} in Machine ${ref.id}`);
      }
      const volumes = { ...bundle.volumes, [volume]: files };
      store.change(ref.id, (found) => ({ ...found, bundle: { ...bundle, volumes } }));
    },

    async end(ref, { graceSeconds: _grace, ...end }, signal) {
      const { machine, report } = begin(signal, "end", ref);
      if (report.ended !== undefined) return;
      if (machine.state !== "started") throw new FksError("Conflict", "the Machine does not run");
      store.change(ref.id, (found) => {
        const over = allEnded(found, { exitCode: 137, signal: 9 }, clock.now());
        return inState(withReport(over, { ended: end }), "stopped", clock.now());
      });
    },

    async logs(ref, container, options, signal) {
      wantContainer(begin(signal, "logs", ref), container);
      return log(ref.id, container).read(options, signal);
    },

    keptLogs: {
      list: async () => [],
      read: () => Promise.reject(new FksError("NotFound", "no logs are kept")),
      forget: async () => undefined,
    },

    async exec(ref, container, request, signal) {
      wantRunning(begin(signal, "exec", ref), container);
      return deps.program(request, signal);
    },

    async attach(ref, container, request, signal) {
      wantRunning(begin(signal, "attach", ref), container);
      return deps.program({ ...request, command: ["cat"], tty: false }, signal);
    },

    async connect(ref, port, signal) {
      begin(signal, "connect", ref);
      const answer = servers.get(`${ref.id}:${port}`);
      if (answer === undefined) {
        throw new FksError("Unavailable", `connection refused on port ${port}`);
      }
      const [ours, theirs] = connectionPair();
      answer(theirs);
      return ours;
    },

    async reclaim(signal) {
      signal.throwIfAborted();
      called("reclaim");
    },

    async troubles(signal) {
      signal.throwIfAborted();
      return [];
    },

    async usage(signal) {
      signal.throwIfAborted();
      called("usage");
      return [];
    },

    watch: (signal) => changes(store, clock, AbortSignal.any([signal, cut.signal]), signal),
  };

  return {
    protocol,
    log,
    serve: (id, port, answer) => servers.set(`${id}:${port}`, answer),
    cutWatches() {
      cut.abort();
      cut = new AbortController();
    },
  };
}

/** Every Machine, `synced`, then each change; ends with `asked`, throws when only `cut` came. */
async function* changes(
  store: MemoryStore,
  clock: Clock,
  cut: AbortSignal,
  asked: AbortSignal,
): AsyncGenerator<MachineChange> {
  let pending: MachineChange[] = [...store.all().map(lineFor), { type: "synced" }];
  let wake = Promise.withResolvers<void>();
  const apps = new Map(store.all().map(({ app, machine }) => [machine.id, app]));
  const tell = (change: MachineChange): void => {
    pending.push(change);
    wake.resolve();
  };
  const unsubscribe = store.subscribe((id, found) => {
    if (found !== undefined) apps.set(id, found.app);
    tell(found === undefined ? { type: "gone", app: apps.get(id) ?? "", id } : lineFor(found));
  });
  cut.addEventListener("abort", () => wake.resolve(), { once: true });

  try {
    while (!cut.aborted) {
      const lines = pending;
      pending = [];
      wake = Promise.withResolvers<void>();
      yield* lines;
      if (pending.length > 0) continue;
      const quiet = new AbortController();
      clock.after(PING_MS, () => tell({ type: "ping" }), quiet.signal);
      if (!cut.aborted) await wake.promise;
      quiet.abort();
    }
    if (!asked.aborted) throw new FksError("Unavailable", "the change stream was cut");
  } finally {
    unsubscribe();
  }
}

function wasRefused({ bundle }: MemoryMachine): boolean {
  return Object.values(bundle?.containers ?? {}).some(({ refused }) => refused !== undefined);
}

function lineFor({ app, machine, report }: MemoryMachine): MachineChange {
  return { type: "machine", app, machine, report };
}

function wantRunning(found: MemoryMachine, name: string): void {
  wantContainer(found, name);
  const { containers } = found.report;
  if (containers.some((one) => one.name === name && one.state.running !== undefined)) return;
  throw new FksError("Conflict", `container ${name} does not run`);
}

function wantContainer(found: MemoryMachine, name: string): void {
  if (found.report.containers.some((container) => container.name === name)) return;
  throw new FksError("NotFound", `no container ${name} in Machine ${found.machine.id}`);
}
