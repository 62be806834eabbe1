import { aborted } from "#core/aborted.ts";
import { FksError } from "#core/errors.ts";
import type {
  ChildProcess,
  ExitStatus,
  ProbeResult,
  Processes,
  ProcessSpec,
} from "#core/ports/processes.ts";

interface FakeProcess {
  readonly spec: ProcessSpec;
  readonly signals: string[];
  isAlive: boolean;
  /** Ends it as if by itself. */
  exit(status: ExitStatus, lastWords?: string): void;
}

interface FakeProcesses extends Processes {
  /** Every process ever started, oldest first. */
  readonly started: FakeProcess[];
  /** What happened, in order: `start web`, `SIGTERM web`, `gone web`. */
  readonly history: string[];
  /** What probes of a child answer from now on; ready unless told otherwise. */
  answer(name: string, result: ProbeResult): void;
  /** Lets probes of a child wait without end from now on. */
  hang(name: string): void;
  /** Makes a child deaf to SIGTERM. */
  ignoreSigterm(name: string): void;
  /** Lets the next starts of a child fail. */
  refuse(name: string, refused: boolean): void;
  /** The newest process of that name. */
  newest(name: string): FakeProcess;
}

/**
 * Processes in memory: told to die they are gone a turn of the event loop later, as on a host, and
 * probes by socket path answer what a test said.
 */
export function fakeProcesses(): FakeProcesses {
  const started: FakeProcess[] = [];
  const history: string[] = [];
  const answers = new Map<string, ProbeResult>();
  const hanging = new Set<string>();
  const deaf = new Set<string>();
  const refused = new Set<string>();

  return {
    started,
    history,
    answer: (name, result) => answers.set(name, result),
    hang: (name) => hanging.add(name),
    ignoreSigterm: (name) => deaf.add(name),
    refuse: (name, isRefused) => (isRefused ? refused.add(name) : refused.delete(name)),
    newest(name) {
      const found = started.findLast(({ spec }) => spec.name === name);
      if (found === undefined) throw new Error(`${name} was never started`);
      return found;
    },
    spawn(spec): ChildProcess {
      if (refused.has(spec.name)) throw new FksError("Unavailable", `cannot start ${spec.name}`);
      const end = Promise.withResolvers<ExitStatus>();
      let words: string | undefined;
      const fake: FakeProcess = {
        spec,
        signals: [],
        isAlive: true,
        exit(status, lastWords) {
          if (!fake.isAlive) return;
          words = lastWords;
          fake.isAlive = false;
          history.push(`gone ${spec.name}`);
          end.resolve(status);
        },
      };
      started.push(fake);
      history.push(`start ${spec.name}`);
      return {
        pid: 1000 + started.length,
        exited: end.promise,
        lastWords: () => words,
        kill(signalName) {
          if (!fake.isAlive) return;
          fake.signals.push(signalName);
          history.push(`${signalName} ${spec.name}`);
          if (signalName === "SIGTERM" && deaf.has(spec.name)) return;
          setImmediate(() => fake.exit({ signalName }));
        },
      };
    },
    async probe(probe, signal) {
      const name = probe.kind === "https" ? probe.url : probe.path;
      if (hanging.has(name)) {
        await aborted(signal);
        throw signal.reason;
      }
      return answers.get(name) ?? { outcome: "ready" };
    },
  };
}
