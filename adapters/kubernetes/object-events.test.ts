import { expect, test } from "bun:test";
import type { ObjectEvent } from "#core/ports/object-events.ts";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { memoryLog } from "#test/fakes/log.ts";
import { kubernetesClient } from "./client.ts";
import { objectEvents } from "./object-events.ts";

const never = new AbortController().signal;
const SHOP = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", uid: "n1" } };
const NEWS: ObjectEvent = { type: "Warning", reason: "AppRefused", message: "no such App" };

test("the same news of an object is one Event an hour, in `default` for what has no namespace", async () => {
  await using api = fakeApiServer();
  const clock = fakeClock();
  const client = kubernetesClient({ server: api.url, clock });
  const events = objectEvents({ client, component: "tester", clock, log: memoryLog() });
  const sent: unknown[] = [];
  const take = async (request: Request): Promise<Response> => {
    sent.push(await request.json());
    return Response.json({});
  };

  api.answerOnce("POST", /namespaces\/default\/events$/, take);
  await events.tell(SHOP, NEWS, never);
  await events.tell(SHOP, NEWS, never);
  expect(sent).toMatchObject([
    {
      involvedObject: { kind: "Namespace", name: "shop", uid: "n1" },
      reason: "AppRefused",
      source: { component: "tester" },
    },
  ]);
  clock.advance(3_600_000);
  api.answerOnce("POST", /events$/, take);
  await events.tell(SHOP, NEWS, never);
  expect(sent).toHaveLength(2);
});

test("an Event that cannot be told is a line in the log, and is tried again", async () => {
  await using api = fakeApiServer();
  const clock = fakeClock();
  const log = memoryLog();
  const client = kubernetesClient({ server: api.url, clock });
  const events = objectEvents({ client, component: "tester", clock, log });

  api.answerOnce("POST", /events$/, () => statusAnswer(403, "Forbidden", "no"));
  await events.tell(SHOP, NEWS, never);
  expect(log.lines.map(([text]) => text)).toEqual(["event not told"]);
  api.answerOnce("POST", /events$/, () => statusAnswer(409, "AlreadyExists", "told"));
  await events.tell(SHOP, NEWS, never);
  expect(log.lines).toHaveLength(1);
});
