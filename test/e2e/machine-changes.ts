/** A cluster's Machines while something happens, as the Machine protocol's change stream tells them. */
import { readFileSync } from "node:fs";
import { hostClock } from "#adapters/host/clock.ts";
import { machineProtocol } from "#adapters/machine-protocol/protocol.ts";
import { stampsOf } from "#core/pod/identity.ts";
import { dataPathsFor } from "../../cmd/paths.ts";
import type { Cluster } from "./cluster.ts";

export interface MachineChanges extends AsyncDisposable {
  /** In order, by Pod: `+web-0` for every Machine made since then, `-web-0` for every one ended. */
  of(podPrefix: string): readonly string[];
  /** Pods of whose name two Machines were there at the same moment. */
  doubles(): readonly string[];
}

/** Resolves once the Machines that are there already are known. */
export async function machineChanges({ dataDir }: Cluster): Promise<MachineChanges> {
  const paths = dataPathsFor(dataDir);
  const { url: baseUrl } = JSON.parse(readFileSync(paths.machinesApiFile, "utf8"));
  const token = readFileSync(paths.machineProtocolToken, "utf8").trim();
  const stop = new AbortController();
  const told: string[] = [];
  const doubles = new Set<string>();
  const pods = new Map<string, string>();
  const ended = new Set<string>();
  const synced = Promise.withResolvers<void>();
  let isSynced = false;

  const appeared = (id: string, pod: string): void => {
    if (pods.has(id)) return;
    if ([...pods.values()].includes(pod)) doubles.add(pod);
    pods.set(id, pod);
    if (isSynced) told.push(`+${pod}`);
  };
  const stopped = (id: string): void => {
    if (!pods.has(id) || ended.has(id)) return;
    ended.add(id);
    if (isSynced) told.push(`-${pods.get(id)}`);
  };
  const vanished = (id: string): void => {
    stopped(id);
    pods.delete(id);
  };
  const read = async (): Promise<void> => {
    const protocol = machineProtocol({ baseUrl, token, clock: hostClock() });
    for await (const change of protocol.watch(stop.signal)) {
      if (change.type === "gone") vanished(change.id);
      if (change.type === "machine") {
        const { machine } = change;
        if (machine.state === "destroyed") vanished(machine.id);
        else appeared(machine.id, stampsOf(machine)?.fks_pod ?? machine.name ?? machine.id);
        if (machine.state === "stopped" || machine.state === "failed") stopped(machine.id);
      }
      if (change.type === "synced") {
        isSynced = true;
        synced.resolve();
      }
    }
  };
  const reading = read().catch(synced.reject);
  await synced.promise;
  return {
    of: (podPrefix) => told.filter((change) => change.slice(1).startsWith(podPrefix)),
    doubles: () => [...doubles],
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the test is over"));
      await reading;
    },
  };
}
