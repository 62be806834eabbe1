import { describe, expect, test } from "bun:test";
import { aPod } from "#test/fixtures/pod.ts";
import type { SecretView } from "../ports/cluster.ts";
import { pullCredentialsFor } from "./pull-credentials.ts";

function secret(key: string, value: unknown): SecretView {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return { type: "any", data: new Map([[key, btoa(text)]]), version: "1", isImmutable: false };
}

function read(...secrets: readonly SecretView[]) {
  const named = new Map(secrets.map((one, index) => [`s${index}`, one]));
  const imagePullSecrets = [...named.keys()].map((name) => ({ name }));
  return pullCredentialsFor(aPod({ imagePullSecrets }), { secrets: named });
}

const config = (auths: object) => secret(".dockerconfigjson", { auths });

describe("credentials for registries", () => {
  test.each([
    ["https://index.docker.io/v1/", "index.docker.io"],
    ["reg.io", "reg.io"],
    ["http://reg.io:5000/v2", "reg.io:5000"],
    ["*.reg.io/team/", "*.reg.io/team"],
    ["reg.io/v1/team", "reg.io/team"],
  ])("%s is for %s", (host, match) => {
    const { credentials } = read(config({ [host]: { username: "u", password: "p" } }));
    expect(credentials).toEqual([{ match, username: "u", password: "p" }]);
  });

  test("the coded pair wins; a password may hold colons", () => {
    const auth = btoa("user:a:b");
    const { credentials } = read(config({ r: { auth, username: "x", password: "y" } }));
    expect(credentials).toEqual([{ match: "r", username: "user", password: "a:b" }]);
  });

  test("the old form has no `auths`", () => {
    const { credentials } = read(secret(".dockercfg", { r: { auth: btoa("u:p") } }));
    expect(credentials).toEqual([{ match: "r", username: "u", password: "p" }]);
  });

  test("longest path first, else the Pod's order", () => {
    const login = { username: "u", password: "p" };
    const { credentials } = read(
      config({ r: login, "q/a": login }),
      config({ "r/a/b": login, z: login }),
    );
    expect(credentials.map(({ match }) => match)).toEqual(["r/a/b", "q/a", "r", "z"]);
  });

  test.each([
    ["no JSON", secret(".dockerconfigjson", "s3cret{")],
    ["no object", secret(".dockerconfigjson", [1])],
    ["no `auths`", secret(".dockerconfigjson", {})],
    ["another Secret", secret("password", "s3cret")],
  ])("%s is no use, and named", (_what, one) => {
    expect(read(one)).toEqual({ credentials: [], unusable: ["s0"] });
  });

  test("a Secret that is not there is named", () => {
    const pod = aPod({ imagePullSecrets: [{ name: "gone" }] });
    expect(pullCredentialsFor(pod, { secrets: new Map() }).unusable).toEqual(["gone"]);
  });

  test.each([{ auth: "%%%" }, { auth: btoa("no-colon") }, { username: "u" }, "text", null])(
    "an entry like %j is passed over",
    (entry) => {
      expect(read(config({ r: entry }))).toEqual({ credentials: [], unusable: [] });
    },
  );
});
