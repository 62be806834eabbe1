import { describe, expect, test } from "bun:test";
import type { NodeAccess } from "#core/ports/reviews.ts";
import { fakeApiServer, statusAnswer } from "#test/fakes/api-server.ts";
import { fakeClock } from "#test/fakes/clock.ts";
import { kubernetesClient } from "./client.ts";
import { kubernetesReviews } from "./reviews.ts";

const never = new AbortController().signal;
const ACCESS: NodeAccess = { node: "local-a", verb: "create", subresource: "proxy" };
const JOE = { user: "joe", groups: ["staff"] };

describe("reviews", () => {
  test("a good token is a user, a bad one nobody, and neither is asked for twice at once", async () => {
    await using api = fakeApiServer();
    const clock = fakeClock();
    const reviews = kubernetesReviews({
      client: kubernetesClient({ server: api.url, clock }),
      clock,
    });
    const user = { username: "joe", groups: ["staff"] };
    api.answerOnce("POST", /tokenreviews$/, () =>
      Response.json({ status: { authenticated: true, user } }),
    );
    expect(await reviews.authenticate("good", never)).toEqual(JOE);
    expect(await reviews.authenticate("good", never)).toEqual(JOE);

    api.answerOnce("POST", /tokenreviews$/, () => Response.json({ status: { user: {} } }));
    expect(await reviews.authenticate("bad", never)).toBeUndefined();
    expect(await reviews.authenticate("bad", never)).toBeUndefined();
    expect(api.requests).toHaveLength(2);
  });

  test("yes is remembered for five minutes, no for half a minute", async () => {
    await using api = fakeApiServer();
    const clock = fakeClock();
    const reviews = kubernetesReviews({
      client: kubernetesClient({ server: api.url, clock }),
      clock,
    });
    const answer = (allowed: boolean): void =>
      api.answerOnce("POST", /subjectaccessreviews$/, () => Response.json({ status: { allowed } }));

    answer(false);
    expect(await reviews.isAllowed(JOE, ACCESS, never)).toBe(false);
    clock.advance(29_999);
    expect(await reviews.isAllowed(JOE, ACCESS, never)).toBe(false);
    answer(true);
    clock.advance(1);
    expect(await reviews.isAllowed(JOE, ACCESS, never)).toBe(true);
    clock.advance(299_999);
    expect(await reviews.isAllowed(JOE, ACCESS, never)).toBe(true);
    answer(false);
    clock.advance(1);
    expect(await reviews.isAllowed(JOE, ACCESS, never)).toBe(false);
  });

  test("another Node, another verb and another user are other questions", async () => {
    await using api = fakeApiServer();
    const clock = fakeClock();
    const reviews = kubernetesReviews({
      client: kubernetesClient({ server: api.url, clock }),
      clock,
    });
    const allowed = [true, false, false, false];
    for (const yes of allowed) {
      api.answerOnce("POST", /subject/, () => Response.json({ status: { allowed: yes } }));
    }
    const answers = [
      await reviews.isAllowed(JOE, ACCESS, never),
      await reviews.isAllowed(JOE, { ...ACCESS, node: "local-b" }, never),
      await reviews.isAllowed(JOE, { ...ACCESS, verb: "get" }, never),
      await reviews.isAllowed({ ...JOE, groups: [] }, ACCESS, never),
    ];
    expect(answers).toEqual(allowed);
  });

  test("a question that failed is nobody's answer and is not remembered", async () => {
    await using api = fakeApiServer();
    const clock = fakeClock();
    const reviews = kubernetesReviews({
      client: kubernetesClient({ server: api.url, clock }),
      clock,
    });
    api.answerOnce("POST", /tokenreviews$/, () => statusAnswer(500, "InternalError", "oops"));
    const error = await reviews.authenticate("good", never).catch((err: unknown) => err);
    expect(error).toMatchObject({ code: "Unavailable" });

    api.answerOnce("POST", /tokenreviews$/, () =>
      Response.json({ status: { authenticated: true, user: { username: "joe" } } }),
    );
    expect(await reviews.authenticate("good", never)).toEqual({ user: "joe", groups: [] });
  });
});
