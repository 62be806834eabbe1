import { expect, test } from "bun:test";
import { fakeApiServer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { eventually } from "#test/fakes/eventually.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { kubernetesClient } from "./client.ts";
import { podFrom } from "./pod-codec.ts";
import { watched } from "./watched.ts";

const pod = (name: string) => ({
  metadata: { name, namespace: "default", uid: name },
  spec: { nodeName: "local-a", containers: [{ name: "main", image: "web" }] },
});

test("is what the API server has, and names what changed", async () => {
  await using api = fakeApiServer();
  api.put(pod("there"));
  const clock = fakeClock();
  const client = kubernetesClient({ server: api.url, clock });
  const pods = watched({
    client,
    path: "/api/v1/pods",
    query: { fieldSelector: "spec.nodeName=local-a" },
    decode: podFrom,
    clock,
    log: memoryLog(),
  });
  const changes: string[] = [];
  pods.onChange((key) => changes.push(key));
  const stop = new AbortController();
  expect(pods.isSynced()).toBe(false);

  const running = pods.run(stop.signal);
  await eventually(() => api.watches() === 1);
  expect(pods.isSynced()).toBe(true);
  expect(pods.get("default/there")?.metadata.uid).toBe("there");
  api.put(pod("new"));
  api.remove(pod("there"));
  await eventually(() => changes.length === 3);
  expect(changes).toEqual(["default/there", "default/new", "default/there"]);
  expect(pods.all().map(({ metadata }) => metadata.name)).toEqual(["new"]);

  stop.abort();
  await running;
  client.close();
});
