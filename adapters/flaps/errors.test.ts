import { expect, test } from "bun:test";
import { errorFor } from "./errors.ts";

const TOKEN = "FlyV1 fm2_topsecret1,fm2_topsecret2";

function answered(httpStatus: number, body: string, retryAfter: string | null = null) {
  return errorFor({
    what: "POST /v1/apps/a/machines",
    httpStatus,
    body,
    requestId: "01K9-fra",
    retryAfter,
    nowMs: Date.parse("2026-11-24T00:00:00Z"),
    token: TOKEN,
  });
}

test.each([
  [400, { error: "invalid_argument: bad config" }, "InvalidInput"],
  [400, { error: "invalid machine ID, 'x'" }, "NotFound"],
  [400, { error: "no capacity" }, "Unavailable"],
  [401, { error: "Authenticate: token validation error" }, "Unauthorized"],
  [402, { error: "add a payment method" }, "Forbidden"],
  [403, { error: "over the allowed quota" }, "Forbidden"],
  [404, { error: "machine not found" }, "NotFound"],
  [408, { error: "deadline_exceeded: machine failed to reach desired state" }, "Unavailable"],
  [409, { error: "already_exists: unique machine name violation" }, "Conflict"],
  [409, { error: "machine ID 1 lease currently held by x" }, "Conflict"],
  [
    409,
    { error: "aborted: could not reserve resource for machine: insufficient memory" },
    "Unavailable",
  ],
  [409, { error: "aborted: insufficient IPs available" }, "Unavailable"],
  [410, { error: "gone" }, "NotFound"],
  [412, { error: "machine getting replaced, refusing to start" }, "Conflict"],
  [412, { error: "insufficient resources to create new machine" }, "Unavailable"],
  [413, { error: "body too large" }, "InvalidInput"],
  [
    422,
    { error: "could not find a candidate host", status: "insufficient_capacity" },
    "Unavailable",
  ],
  [422, { error: "Validation failed: Name has already been taken" }, "Conflict"],
  [422, { error: "invalid name" }, "InvalidInput"],
  [429, { error: "rate limit" }, "RateLimited"],
  [500, { error: "oops" }, "Unavailable"],
  [501, { error: "not here" }, "Unsupported"],
  [502, { error: "bad gateway" }, "Unavailable"],
] as const)("HTTP %d %p is %s", (httpStatus, body, code) => {
  expect(answered(httpStatus, JSON.stringify(body)).code).toBe(code);
});

test("the message keeps Fly's text and request id", () => {
  const { message } = answered(412, JSON.stringify({ error: "machine still active" }));

  expect(message).toBe(
    "POST /v1/apps/a/machines: HTTP 412: machine still active (fly-request-id 01K9-fra)",
  );
});

test("no part of the token is ever in a message", () => {
  const { message } = answered(401, "bad token fm2_topsecret2 in FlyV1 fm2_topsecret1");

  expect(message).not.toContain("topsecret");
});

test("Retry-After is read in seconds and as a date, and has a default for a 429", () => {
  expect(answered(429, "", "7").retryAfterMs).toBe(7_000);
  expect(answered(503, "", "Tue, 24 Nov 2026 00:00:03 GMT").retryAfterMs).toBe(3_000);
  expect(answered(429, "").retryAfterMs).toBe(1_000);
  expect(answered(503, "").retryAfterMs).toBeUndefined();
});

test("a body that is no JSON is told as it is", () => {
  expect(answered(502, "upstream connect error").message).toContain("upstream connect error");
});
