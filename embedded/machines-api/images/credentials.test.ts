import { expect, test } from "bun:test";
import { credentialsFor } from "./credentials.ts";

const login = { username: "u", password: "p" };

function matching(image: string, ...matches: readonly string[]): readonly string[] {
  const [registry = "", ...path] = image.split("/");
  const all = matches.map((match) => ({ ...login, match }));
  return credentialsFor({ registry, repository: path.join("/") }, all).map(({ match }) => match);
}

test.each([
  ["r.example.com/team/web", "r.example.com"],
  ["r.example.com/team/web", "https://r.example.com/v1/"],
  ["r.example.com/team/web", "r.example.com/v2/"],
  ["r.example.com/team/web", "*.example.com"],
  ["r.example.com/team/web", "r.*.com/team"],
  ["eu-1.r.io:5000/web", "eu-*.r.io:5000"],
  ["docker.io/library/nginx", "https://index.docker.io/v1/"],
  ["docker.io/library/nginx", "docker.io"],
])("for %s the credential of %s is used", (image, match) => {
  expect(matching(image, match)).toEqual([match]);
});

test.each([
  ["r.example.com/team/web", "example.com"],
  ["a.b.example.com/web", "*.example.com"],
  ["rXexample.com/web", "r.example.com"],
  ["r.example.com:5000/web", "r.example.com"],
  ["r.example.com/web", "r.example.com:5000"],
  ["r.example.com/team/web", "r.example.com/other"],
  ["r.example.com/web", "docker.io"],
])("for %s the credential of %s is not used", (image, match) => {
  expect(matching(image, match)).toEqual([]);
});

test("the longest path comes first, else the order that was given", () => {
  const given = ["r.io", "*.io", "r.io/team/web", "r.io/team"];

  expect(matching("r.io/team/web", ...given)).toEqual([
    "r.io/team/web",
    "r.io/team",
    "r.io",
    "*.io",
  ]);
});
