import { expect, test } from "bun:test";
import { assert, property, string } from "fast-check";
import { challengeOf } from "./challenge.ts";

test.each([
  [
    'Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull"',
    {
      scheme: "bearer",
      realm: "https://auth.example/token",
      service: "reg",
      scope: "repository:a/b:pull",
    },
  ],
  [
    "bearer realm=https://auth.example/token",
    { scheme: "bearer", realm: "https://auth.example/token" },
  ],
  [
    'Basic realm="x", Bearer realm="https://auth.example/a\\"b"',
    { scheme: "bearer", realm: 'https://auth.example/a"b' },
  ],
  ['Basic realm="registry"', { scheme: "basic" }],
  ["basic", { scheme: "basic" }],
])("%s", (header, challenge) => {
  expect(challengeOf(header)).toMatchObject(challenge);
});

test.each([null, "", "Negotiate", 'Bearer service="x"', 'Bearer realm="no url"'])(
  "%s cannot be answered",
  (header) => {
    expect(challengeOf(header)).toBeUndefined();
  },
);

test("whatever a registry says, reading it does not fail", () => {
  assert(
    property(string({ maxLength: 80 }), (text) => {
      challengeOf(text);
      challengeOf(`Bearer ${text}`);
    }),
  );
});
