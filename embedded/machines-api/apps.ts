import type { App } from "#core/ports/apps.ts";
import type { Clock } from "#core/ports/clock.ts";
import { ApiError, appNotFound, invalid } from "./errors.ts";
import type { Ids } from "./ids.ts";
import type { IpDirectory } from "./ip-assignments.ts";
import type { Keeper } from "./keeper.ts";
import { destroyAsked } from "./machine-life.ts";
import type { AppRecord, Store } from "./store.ts";
import type { VolumeDirectory } from "./volumes/volume-directory.ts";

/** The Apps of this instance: a name, and the Machines under it. */
export interface AppDirectory {
  /** Throws the API's 404. */
  get(name: string): AppRecord;
  list(orgSlug: string | undefined): readonly AppRecord[];
  create(asked: {
    readonly name: string;
    readonly orgSlug: string;
    readonly network: string;
  }): AppRecord;
  /** Destroys its Machines, then its volumes, and releases its addresses; the name is free once the last one is gone. */
  destroy(name: string): void;
  /** A Machine of this App is gone: perhaps it was the last of a deleted one. */
  forgetEmpty(name: string): void;
}

interface Deps {
  readonly store: Store;
  readonly keeper: Keeper;
  readonly volumes: Pick<VolumeDirectory, "inApp" | "destroyAll">;
  readonly ips: IpDirectory;
  readonly ids: Ids;
  readonly clock: Clock;
}

const APP_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export function appDirectory({ store, keeper, ips, volumes, ids, clock }: Deps): AppDirectory {
  const apps = new Map(store.apps().map((app) => [app.name, app]));

  function save(app: AppRecord): AppRecord {
    store.saveApp(app);
    apps.set(app.name, app);
    return app;
  }

  function forgetEmpty(name: string): void {
    if (apps.get(name)?.deleted !== true) return;
    if (keeper.inApp(name).some(({ state }) => state !== "destroyed")) return;
    if (volumes.inApp(name).length > 0) {
      volumes.destroyAll(name, () => forgetEmpty(name));
      return;
    }
    store.removeApp(name);
    apps.delete(name);
  }

  function emptyOut(app: string): void {
    ips.releaseAll(app);
    for (const { id } of keeper.inApp(app)) keeper.change(id, destroyAsked);
  }

  // A deletion that a former process had begun.
  for (const { name, deleted } of apps.values()) {
    if (!deleted) continue;
    emptyOut(name);
    forgetEmpty(name);
  }

  return {
    get(name) {
      const app = apps.get(name);
      if (app === undefined || app.deleted) throw appNotFound();
      return app;
    },
    list: (orgSlug) =>
      [...apps.values()].filter(
        (app) => !app.deleted && (orgSlug === undefined || app.orgSlug === orgSlug),
      ),
    create({ name, orgSlug, network }) {
      if (!APP_NAME.test(name)) {
        throw invalid("app names have at most 63 lower-case letters, digits and dashes");
      }
      if (apps.has(name)) {
        const text = "Validation failed: Name has already been taken";
        throw new ApiError(422, text, { kind: "name_taken" });
      }
      const createdMs = clock.now();
      return save({ id: ids.hex(16), name, orgSlug, network, createdMs, deleted: false });
    },
    destroy(name) {
      const app = apps.get(name);
      if (app === undefined || app.deleted) throw appNotFound();
      save({ ...app, deleted: true });
      emptyOut(name);
      forgetEmpty(name);
    },
    forgetEmpty,
  };
}

/** The App of the public API. */
export function appView(app: AppRecord, machineCount: number): App & Record<string, unknown> {
  return {
    id: app.id,
    name: app.name,
    internal_numeric_id: Number.parseInt(app.id.slice(0, 7), 16),
    network: app.network,
    status: machineCount > 0 ? "deployed" : "pending",
    machine_count: machineCount,
    volume_count: 0,
    organization: { name: app.orgSlug, slug: app.orgSlug, internal_numeric_id: 1 },
  };
}
