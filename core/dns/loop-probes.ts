import type { Clock } from "../ports/clock.ts";
import type { Question } from "./message.ts";
import { canonical } from "./name.ts";
import { TYPE } from "./record.ts";

/** Finds out which of the host's resolvers ask us what we ask them. */
export interface LoopProbes {
  /** A question to ask of this server now; `undefined` when it was asked one lately. */
  probe(server: string): Question | undefined;
  /** True when a question is a probe that came back: the server it went to is in a loop with us. */
  caught(question: Question): boolean;
  isLooping(server: string): boolean;
  /** Every server that is in a loop with us. */
  readonly looping: () => readonly string[];
}

interface Probe {
  readonly name: string;
  readonly atMs: number;
  isCaught: boolean;
}

const EVERY_MS = 30_000;
const SERVERS_MAX = 64;

/** `randomLabel` gives a label that nobody can guess. `tell` hears of each loop once. */
export function loopProbes(options: {
  readonly randomLabel: () => string;
  readonly tell: (server: string) => void;
  readonly clock: Clock;
}): LoopProbes {
  const { randomLabel, tell, clock } = options;
  const probes = new Map<string, Probe>();

  return {
    probe(server) {
      const last = probes.get(server);
      const nowMs = clock.now();
      if (last !== undefined && nowMs - last.atMs < EVERY_MS) return undefined;
      if (probes.size >= SERVERS_MAX) probes.clear();
      const name = `${randomLabel()}.${randomLabel()}`;
      probes.set(server, { name, atMs: nowMs, isCaught: false });
      return { name, type: TYPE.HINFO, class: 1 };
    },
    caught({ name, type }) {
      if (type !== TYPE.HINFO) return false;
      for (const [server, probe] of probes) {
        if (probe.name !== canonical(name)) continue;
        if (!probe.isCaught) tell(server);
        probe.isCaught = true;
        return true;
      }
      return false;
    },
    isLooping: (server) => probes.get(server)?.isCaught === true,
    looping: () => [...probes].filter(([, { isCaught }]) => isCaught).map(([server]) => server),
  };
}
