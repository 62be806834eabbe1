import { expect, test } from "bun:test";
import { FksError } from "#core/errors.ts";
import type { KubernetesClient } from "./client.ts";
import { ensureGivenObjects } from "./given-objects.ts";

const forever = new AbortController().signal;

const refused = (): never => {
  throw new Error("not asked for");
};

function clientThat(create: (path: string) => Promise<void>) {
  const client: KubernetesClient = {
    get: refused,
    list: refused,
    create: async (path, _body, decode) => {
      await create(path);
      return decode(undefined);
    },
    patch: refused,
    remove: refused,
    watch: refused,
    close: refused,
  };
  return client;
}

test("each is made, and one that is there stays as somebody made it", async () => {
  const asked: string[] = [];
  const client = clientThat(async (path) => {
    asked.push(path);
    throw new FksError("Conflict", "it is there");
  });
  await ensureGivenObjects(client, forever);
  expect(asked).toEqual([
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/storage.k8s.io/v1/csidrivers",
    "/apis/node.k8s.io/v1/runtimeclasses",
  ]);
});

test("another failure is the caller's", async () => {
  const client = clientThat(async () => {
    throw new FksError("Unavailable", "away");
  });
  expect(await ensureGivenObjects(client, forever).catch(String)).toContain("away");
});
