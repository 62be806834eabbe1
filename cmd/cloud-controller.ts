import { Command } from "commander";
import { type Readiness, serveRoleSocket } from "#adapters/host/role-socket.ts";
import { ensureGivenObjects, GIVEN_OBJECTS_RULES } from "#adapters/kubernetes/given-objects.ts";
import { objectEvents } from "#adapters/kubernetes/object-events.ts";
import type { Rule } from "#adapters/kubernetes/rights.ts";
import { aborted } from "#core/aborted.ts";
import { FksError } from "#core/errors.ts";
import type { ObjectEvents } from "#core/ports/object-events.ts";
import { addressesPart } from "./cloud-controller-addresses.ts";
import { namespacesPart } from "./cloud-controller-namespaces.ts";
import { volumesPart } from "./cloud-controller-volumes.ts";
import { examples } from "./help.ts";
import { type MachinesAccess, machinesAccess } from "./machines-access.ts";
import { type Role, runRole, withConfigOptions } from "./role.ts";
import { type RoleAccess, roleAccess } from "./role-access.ts";
import { together } from "./together.ts";
import { untilThere } from "./until-there.ts";

/** The user name in the certificate of this role. */
const USER = "fks-node-cloud-controller";

/** Beside what each part needs. */
const RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["events"], verbs: ["create"] },
  ...GIVEN_OBJECTS_RULES,
];

/** What each part of the role works with. */
export interface CloudScope {
  readonly role: Role;
  readonly access: RoleAccess;
  readonly platform: MachinesAccess;
  readonly events: ObjectEvents;
}

/** One duty of the role: the rights it needs, and what it runs until its signal aborts. */
export interface CloudPart {
  readonly rules: readonly Rule[];
  /** For people: what it waits for; `undefined` when it works. */
  waitsFor(): string | undefined;
  run(scope: CloudScope, signal: AbortSignal): Promise<void>;
}

/** `fks-node cloud-controller`: what Namespaces, Services and claims need of Fly. */
export function cloudControllerCommand(): Command {
  const command = new Command("cloud-controller").description(
    "the cloud-controller role: Apps of namespaces, addresses of Services, volumes of claims (serve starts it)",
  );
  withConfigOptions(command).action((_options: unknown, self: Command) =>
    runRole("cloud-controller", self, (role, signal) =>
      runCloudController(role, [namespacesPart(), addressesPart(), volumesPart()], signal),
    ),
  );
  return examples(command, "fks-node cloud-controller --data-dir /var/lib/fks-node");
}

async function runCloudController(
  role: Role,
  parts: readonly CloudPart[],
  signal: AbortSignal,
): Promise<void> {
  const { clock, log } = role;
  const state: { waiting: string | undefined } = { waiting: "starting" };
  const waiting = (reason: string): void => {
    state.waiting = reason;
  };
  serveRoleSocket(
    { path: role.socketPath, isReady: () => readinessOf(state.waiting, parts) },
    signal,
  );

  try {
    const rights = { user: USER, rules: [...RULES, ...parts.flatMap(({ rules }) => rules)] };
    const access = await roleAccess(role, rights, { waiting }, signal);
    await untilThere(
      { what: "the objects that every cluster has", waiting, clock, log },
      () => ensureGivenObjects(access.client, signal),
      signal,
    );
    const what = "the Machines API";
    const platform = await untilThere(
      { what, waiting, clock, log },
      () => machinesAccess(role),
      signal,
    );
    state.waiting = undefined;
    const events = objectEvents({ client: access.client, component: USER, clock, log });
    const scope = { role, access, platform, events };
    await together(
      [(running) => access.run(running), ...parts.map((part) => partIn(scope, part))],
      signal,
    );
  } catch (error) {
    if (!FksError.is(error, "Conflict") || state.waiting === undefined) throw error;
    // Somebody else's cluster: nothing may be touched, and only a person can tell what to do.
    log.error("nothing is done until a person looks", { err: error });
    waiting(error.message);
    await aborted(signal);
  }
}

function partIn(scope: CloudScope, part: CloudPart) {
  return (signal: AbortSignal): Promise<void> => part.run(scope, signal);
}

function readinessOf(waiting: string | undefined, parts: readonly CloudPart[]): Readiness {
  const reason = waiting ?? parts.map((part) => part.waitsFor()).find((text) => text !== undefined);
  return reason === undefined ? { ready: true } : { ready: false, reason };
}
