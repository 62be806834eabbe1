import { machineProtocol } from "#adapters/machine-protocol/protocol.ts";
import type { MachineProtocol } from "#core/ports/machine-protocol.ts";
import { embeddedUrl } from "./machines-access.ts";
import type { Role } from "./role.ts";
import { readToken } from "./tokens.ts";

/** The change stream of the embedded Machines. */
export function embeddedChanges({ paths, clock }: Role): Pick<MachineProtocol, "watch"> {
  return {
    /** Where the Machines API listens is read each time: after a crash it may be another port. */
    async *watch(signal) {
      const baseUrl = await embeddedUrl(paths.machinesApiFile);
      const token = await readToken(paths.machineProtocolToken);
      yield* machineProtocol({ baseUrl, token, clock }).watch(signal);
    },
  };
}
