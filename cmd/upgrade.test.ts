import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FksError } from "#core/errors.ts";
import type { ChildSpec } from "#core/supervisor/child.ts";
import type { FileChanges } from "#embedded/control-plane/backup/replace.ts";
import { ENGINE_NAMES, type EngineName } from "#embedded/control-plane/engine.ts";
import { failingChanges } from "#test/fakes/file-changes.ts";
import { type DataDirectory, dataDirectory } from "#test/fixtures/data-directory.ts";
import { rememberVersion } from "./cluster.ts";
import { undoCutRestore } from "./restore-data.ts";
import { beginUpgrade, type Upgrade } from "./upgrade.ts";

const root = mkdtempSync(join(tmpdir(), "fks-upgrade-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const { signal } = new AbortController();
const KEPT = "/registry/namespaces/kept";
const OBJECTS = ["/registry/namespaces/default", KEPT];
const BROKEN = "/registry/written-by-the-new-one";

interface World extends DataDirectory {
  /** What was said, line by line. */
  readonly said: string[];
  /** A start of this version, up to where the control plane would be prepared. */
  begin(version: string, options?: BeginOptions): Promise<Upgrade | undefined>;
  backups(): string[];
}

interface BeginOptions {
  readonly program?: string;
  readonly changes?: FileChanges;
}

function world(engine: EngineName, from: string | undefined): World {
  const it = dataDirectory(mkdtempSync(join(root, "d-")), engine, { kubernetesVersion: from });
  const said: string[] = [];
  let nowMs = Date.UTC(2026, 10, 22, 7, 1, 2);
  return {
    ...it,
    said,
    async begin(version, { program = `/opt/${version}`, changes } = {}) {
      nowMs += 60_000;
      // As `serve` does before it reads anything.
      await undoCutRestore(it.paths);
      return beginUpgrade(
        {
          paths: it.paths,
          engine: { name: engine, version, program },
          console: { step: (what) => void said.push(what.replaceAll(it.paths.dataDir, "DIR")) },
          clock: { now: () => nowMs },
          ...(changes && { changes }),
        },
        signal,
      );
    },
    backups: () => {
      const folder = join(it.paths.dataDir, "backups");
      return existsSync(folder) ? readdirSync(folder).toSorted() : [];
    },
  };
}

async function started(it: World, version: string, options?: BeginOptions): Promise<Upgrade> {
  const upgrade = await it.begin(version, options);
  if (upgrade === undefined) throw new Error(`nothing to try with ${version}`);
  return upgrade;
}

describe.each(ENGINE_NAMES)("with engine %s", (engine) => {
  const build = engine === "k3s" ? "+k3s1" : "";
  const [before, after, later] = [`v1.36.4${build}`, `v1.37.1${build}`, `v1.38.0${build}`];

  test("the first version and the same version are no upgrade", async () => {
    expect(await world(engine, undefined).begin(before)).toBeUndefined();
    const it = world(engine, before);
    expect(await it.begin(before)).toBeUndefined();
    expect([it.said, it.backups()]).toEqual([[], []]);
  });

  test("an older minor and a skipped one are refused before anything is written", async () => {
    const it = world(engine, before);
    for (const version of [`v1.35.9${build}`, later]) {
      expect(await it.begin(version).catch(String)).toContain(
        `the data was written by Kubernetes ${before}, this control plane is ${version}`,
      );
    }
    expect(it.backups()).toEqual([]);
  });

  test.each([`v1.36.5${build}`, `v1.36.3${build}`, after])(
    "%s starts with a backup",
    async (to) => {
      const it = world(engine, before);
      const upgrade = await started(it, to);
      const file = `${before}-to-${to}-20261122T070202Z.tar`;

      expect(it.said[0]).toMatch(`Kubernetes ${before} becomes ${to}; the data before is in DIR/`);
      expect(it.backups()).toEqual(["trial.json", file]);
      await upgrade.done();
      expect(it.backups()).toEqual([file]);
      expect(await it.cluster()).toMatchObject({ kubernetesVersion: to });
      expect(await it.begin(to)).toBeUndefined();
      expect(it.said.slice(1)).toEqual([`Kubernetes ${to} has taken over from ${before}`]);
    },
  );

  test("a failure brings the data back and tells how to go on", async () => {
    const it = world(engine, before);
    const upgrade = await started(it, after);
    it.put(KEPT);
    it.put(BROKEN, "1");

    const failure = new FksError("Unavailable", "k3s in 3 tries: exited with 1");
    const told = await upgrade.undo(failure);

    expect(told).toBeInstanceOf(FksError);
    expect(told).toMatchObject({ code: "Unavailable", cause: failure });
    const remedy =
      engine === "k3s"
        ? `start it with --k3s-bin FILE, the k3s of ${before}`
        : `start it with the fks-node that brought ${before}`;
    expect(String(told)).toBe(
      `FksError: upgrade to ${after} failed: k3s in 3 tries: exited with 1; the data of ${before} is back: ${remedy}`,
    );
    expect(it.objects()).toEqual(OBJECTS);
    expect(it.backups()).toEqual([`${before}-to-${after}-20261122T070202Z.tar`]);
    expect(await it.cluster()).toMatchObject({ kubernetesVersion: before });
    expect(await it.begin(before)).toBeUndefined();
  });

  test("what fails after the upgrade is done is another matter", async () => {
    const it = world(engine, before);
    const upgrade = await started(it, after);
    await upgrade.done();
    it.put(BROKEN, "1");
    const failure = new Error("later");

    expect(await upgrade.undo(failure)).toBe(failure);
    expect(it.objects()).toEqual([...OBJECTS, BROKEN]);
  });

  describe("killed in the middle of it", () => {
    test("the same version goes on, with the backup there is", async () => {
      const it = world(engine, before);
      await started(it, after);
      it.put(BROKEN, "1");
      const backups = it.backups();

      const upgrade = await started(it, after);
      expect(it.backups()).toEqual(backups);
      expect(it.objects()).toEqual([...OBJECTS, BROKEN]);
      expect(it.said.at(-1)).toStartWith(`trying Kubernetes ${after} again; the data of ${before}`);
      await upgrade.undo(new Error("no"));
      expect(it.objects()).toEqual(OBJECTS);
    });

    test("the version before finds its own data", async () => {
      const it = world(engine, before);
      await started(it, after);
      it.put(BROKEN, "1");

      expect(await it.begin(before)).toBeUndefined();
      expect(it.objects()).toEqual(OBJECTS);
      expect(it.backups()).toHaveLength(1);
      expect(it.said.at(-1)).toBe(
        `Kubernetes ${after} was never ready: the data of ${before} is back`,
      );
    });

    test("a third version starts from the data before, with a backup of its own", async () => {
      const it = world(engine, before);
      await started(it, after);
      it.put(BROKEN, "1");
      const upgrade = await started(it, `v1.36.5${build}`);

      expect(it.objects()).toEqual(OBJECTS);
      expect(it.backups()).toHaveLength(3);
      await upgrade.done();
      expect(await it.cluster()).toMatchObject({ kubernetesVersion: `v1.36.5${build}` });
    });

    test("before the marker was written, nothing had started: it begins anew", async () => {
      const it = world(engine, before);
      await started(it, after);
      rmSync(join(it.paths.dataDir, "backups/trial.json"));

      await started(it, after);
      expect(it.backups()).toHaveLength(3);
    });

    test("between its two last steps it is done", async () => {
      const it = world(engine, before);
      await started(it, after);
      await rememberVersion(it.paths, after);
      it.put(BROKEN, "1");

      expect(await it.begin(before).catch(String)).toContain(`written by Kubernetes ${after}`);
      expect(await it.begin(after)).toBeUndefined();
      expect(it.objects()).toEqual([...OBJECTS, BROKEN]);
      expect(it.backups()).toHaveLength(1);
    });

    test("while its data is put back, the next start of any version does that again", async () => {
      for (let at = 0, isOver = false; !isOver; at++) {
        const it = world(engine, before);
        const upgrade = await started(it, after, { changes: failingChanges(at, "death") });
        it.put(BROKEN, "1");
        isOver = !String(await upgrade.undo(new Error("no"))).includes("could not be put back");

        expect(await it.begin(before)).toBeUndefined();
        expect(it.objects()).toEqual(OBJECTS);
        expect(it.backups()).toEqual([`${before}-to-${after}-20261122T070202Z.tar`]);
      }
    });
  });

  test("a backup that is gone is named, and the new version can still be started", async () => {
    const it = world(engine, before);
    await started(it, after);
    const file = it.backups().find((name) => name.endsWith(".tar")) ?? "";
    rmSync(join(it.paths.dataDir, "backups", file));

    expect(await it.begin(before).catch(String)).toContain(`there is no file`);
    const again = await started(it, after);
    expect(String(await again.undo(new Error("no")))).toContain(
      `upgrade to ${after} failed: no; and the data of ${before} could not be put back: there is no`,
    );
  });
});

test("of K3s the executable before is named when it is still there", async () => {
  const it = world("k3s", "v1.36.4+k3s1");
  const old = join(it.paths.dataDir, "old-k3s");
  writeFileSync(old, "");
  const record = { engine: "k3s", version: "v1.36.4+k3s1", program: old };
  it.write("run/control-plane.json", JSON.stringify(record));
  const upgrade = await started(it, "v1.37.1+k3s1");

  expect(String(await upgrade.undo(new Error("no")))).toEndWith(`start it with --k3s-bin ${old}`);
});

test("the backups of the last three upgrades are kept, and what is not ours", async () => {
  const it = world("upstream", "v1.36.0");
  it.write("backups/mine.tar", "");
  for (const patch of [1, 2, 3, 4, 5]) await (await started(it, `v1.36.${patch}`)).done();

  expect(it.backups().map((name) => name.split("-2026")[0])).toEqual([
    "mine.tar",
    "v1.36.2-to-v1.36.3",
    "v1.36.3-to-v1.36.4",
    "v1.36.4-to-v1.36.5",
  ]);
});

function child(name: string, giveUp?: ChildSpec["giveUp"]): ChildSpec {
  return {
    name,
    command: [name],
    env: {},
    cwd: "/",
    after: [],
    probe: { kind: "unix-socket", path: "/none" },
    startTimeoutMs: 1,
    graceMs: 1,
    ...(giveUp && { giveUp }),
  };
}

function trialOf(it: ChildSpec): Parameters<Upgrade["withTrial"]>[0] {
  return { children: [it], apiChild: it.name, readyTimeoutMs: () => 120_000 };
}

describe("a control plane on trial", () => {
  const death = { reason: "exited with 1: no such table", deaths: 1, hasBeenReady: false };

  test("is given up at the third death of what has never been ready", async () => {
    const upgrade = await started(world("upstream", "v1.36.3"), "v1.37.0");
    const [kine, apiserver, scheduler] = upgrade.withTrial({
      children: [child("kine"), child("apiserver"), child("scheduler")],
      apiChild: "apiserver",
      readyTimeoutMs: () => 120_000,
    });

    const third = { ...death, deaths: 3 };
    expect(apiserver?.giveUp?.({ ...death, deaths: 2 })).toBeUndefined();
    expect(apiserver?.giveUp?.(third)).toEqual(
      new FksError("Unavailable", "apiserver in 3 tries: exited with 1: no such table"),
    );
    expect(kine?.giveUp?.({ ...third, hasBeenReady: true })).toBeUndefined();
    expect(apiserver?.readyTimeoutMs?.()).toBe(120_000);
    expect(scheduler).toEqual(child("scheduler"));
  });

  test("keeps its own reasons to give up, and once it is done no others", async () => {
    const upgrade = await started(world("k3s", "v1.36.4+k3s1"), "v1.37.1+k3s1");
    const wrongToken = new FksError("Unauthorized", "wrong token");
    const [strict] = upgrade.withTrial(
      trialOf({ ...child("k3s", () => wrongToken), readyTimeoutMs: () => 7 }),
    );
    expect(strict?.giveUp?.(death)).toBe(wrongToken);
    expect(strict?.readyTimeoutMs?.()).toBe(7);

    const [k3s] = upgrade.withTrial(trialOf(child("k3s")));
    await upgrade.done();
    expect(k3s?.giveUp?.({ ...death, deaths: 4 })).toBeUndefined();
  });
});
