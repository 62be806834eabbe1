import { describe, expect, test } from "bun:test";
import { assert, constantFrom, option, property, record, string, stringMatching } from "fast-check";
import { FksError } from "#core/errors.ts";
import { referenceOf, referenceText } from "./reference.ts";

const DIGEST = `sha256:${"ab".repeat(32)}`;

describe("an image's name is completed as Docker completes it", () => {
  test.each([
    ["web", "docker.io/library/web:latest"],
    ["web:1", "docker.io/library/web:1"],
    ["team/web", "docker.io/team/web:latest"],
    ["docker.io/web", "docker.io/library/web:latest"],
    ["index.docker.io/team/web:2", "docker.io/team/web:2"],
    ["localhost/web", "localhost/web:latest"],
    ["localhost:5000/web", "localhost:5000/web:latest"],
    ["registry.example:5000/a/b/c:v1.2-x", "registry.example:5000/a/b/c:v1.2-x"],
    ["[fdaa::1]:5000/web:1", "[fdaa::1]:5000/web:1"],
    [`web@${DIGEST}`, `docker.io/library/web@${DIGEST}`],
    [`web:1@${DIGEST}`, `docker.io/library/web@${DIGEST}`],
    ["a__b/c--d.e", "docker.io/a__b/c--d.e:latest"],
  ])("%s is %s", (text, full) => {
    expect(referenceText(referenceOf(text))).toBe(full);
  });
});

describe("what names no image is refused with a reason", () => {
  test.each([
    "",
    " web",
    "Web",
    "web:",
    "web:-1",
    "web@",
    "web@sha256:12",
    `web@${DIGEST}@${DIGEST}`,
    "/web",
    "web/",
    "a//b",
    "a..b/c",
    "web:1:2",
    "http://registry.example/web",
    "registry.example/",
    "../../etc/passwd",
    "registry.example/../web",
    `web:${"x".repeat(129)}`,
    "x".repeat(300),
  ])("%s", (text) => {
    expect(() => referenceOf(text)).toThrow(/^InvalidImageName: ".*": invalid reference format: /);
  });
});

test("a complete name is read back as it was written", () => {
  const component = stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}$/);
  const arbitrary = record({
    registry: constantFrom("registry.example", "localhost:5000", "docker.io"),
    owner: component,
    name: component,
    tag: stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
    digest: option(constantFrom(DIGEST), { nil: undefined }),
  });

  assert(
    property(arbitrary, ({ registry, owner, name, tag, digest }) => {
      const reference =
        digest === undefined
          ? { registry, repository: `${owner}/${name}`, tag }
          : { registry, repository: `${owner}/${name}`, digest };
      expect(referenceOf(referenceText(reference))).toEqual(reference);
    }),
  );
});

test("whatever is typed, the answer is a reference or InvalidInput", () => {
  assert(
    property(string({ unit: "binary", maxLength: 60 }), (text) => {
      try {
        expect(referenceText(referenceOf(text)).length).toBeGreaterThan(0);
      } catch (error) {
        expect(FksError.is(error, "InvalidInput")).toBe(true);
      }
    }),
  );
});
