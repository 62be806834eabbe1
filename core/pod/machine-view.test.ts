import { expect, test } from "bun:test";
import { aPod } from "#test/fixtures/pod.ts";
import { stampsFor } from "./identity.ts";
import { machineView, type Sighting } from "./machine-view.ts";

const REPORT = { revision: 1, containers: [], events: [] };

function seen(id: string, uid = "u1", clusterUid = "cluster-1"): Sighting {
  const pod = aPod({ metadata: { name: `pod-${uid}`, uid } });
  return {
    app: "app",
    machine: {
      id,
      name: `pod-${uid}`,
      state: "started",
      region: "local-a",
      instance_id: "01J",
      private_ip: "fdaa::2",
      created_at: "2026-11-24T07:00:00Z",
      updated_at: "2026-11-24T07:00:00Z",
      config: { metadata: { ...stampsFor(pod, clusterUid) } },
      events: [],
      host_status: "ok",
    },
  };
}

function view() {
  const keys: string[] = [];
  const made = machineView("cluster-1", (key) => keys.push(key));
  const tell = (sighting: Sighting): void =>
    made.apply({ type: "machine", report: REPORT, ...sighting });
  return { ...made, keys, tell };
}

test("a Machine is found by its Pod, and its Pod's key is told", () => {
  const seenBy = view();
  seenBy.begin();
  seenBy.tell(seen("m1"));
  expect(seenBy.isLive()).toBe(false);
  seenBy.apply({ type: "synced" });

  expect(seenBy.of("u1").map(({ machine }) => machine.id)).toEqual(["m1"]);
  expect(seenBy.keys).toEqual(["default/pod-u1/u1"]);
  expect(seenBy.isLive()).toBe(true);
});

test("what a new stream does not tell of is gone when it is synced, not before", () => {
  const seenBy = view();
  seenBy.begin();
  seenBy.tell(seen("m1"));
  seenBy.tell(seen("m2", "u2"));
  seenBy.apply({ type: "synced" });
  seenBy.end();
  seenBy.begin();
  seenBy.tell(seen("m1"));
  expect(seenBy.of("u2")).toHaveLength(1);

  seenBy.apply({ type: "synced" });
  expect(seenBy.of("u1")).toHaveLength(1);
  expect(seenBy.of("u2")).toEqual([]);
});

test("one that was launched while a list was under way stays", () => {
  const seenBy = view();
  seenBy.begin();
  seenBy.put(seen("m1"));
  seenBy.apply({ type: "synced" });

  expect(seenBy.of("u1")).toHaveLength(1);
});

test("a late answer does not bring back a Machine that is gone", () => {
  const seenBy = view();
  seenBy.begin();
  seenBy.apply({ type: "synced" });
  seenBy.tell(seen("m1"));
  seenBy.apply({ type: "gone", app: "app", id: "m1" });
  seenBy.put(seen("m1"));

  expect(seenBy.of("u1")).toEqual([]);
});

test("Machines of other clusters are not looked at", () => {
  const seenBy = view();
  seenBy.begin();
  seenBy.tell(seen("m1", "u1", "cluster-2"));

  expect(seenBy.all()).toEqual([]);
});
