import { expect, test } from "bun:test";
import { giveUpFor } from "./troubles.ts";

const FATAL = "exited with 1: preparing server: failed to bootstrap cluster data:";
const DIFFERENT_TOKEN = `${FATAL} bootstrap data already found and encrypted with different token`;
const TAKEN = `exited with 0: Shutdown request received: "apiserver exited: failed to create listener: failed to listen on [::1]:6444: listen tcp [::1]:6444: bind: address already in use"`;

test.each([
  ["exited with 1: flag provided but not defined: -rootles", "Unsupported", "--k3s-bin"],
  ["exited with 0: controller-manager exited: unknown flag: --foo", "Unsupported", "--k3s-bin"],
  [
    `exited with 0: controllermanager exited: "route" is not in the list of known controllers`,
    "Unsupported",
    "--k3s-bin",
  ],
  [DIFFERENT_TOKEN, "Unauthorized", "fks-node restore"],
  [
    "exited with 1: invalid service-cidr x: invalid CIDR address: x",
    "InvalidInput",
    "serviceRange",
  ],
  [
    "exited with 1: invalid cluster-cidr x: invalid CIDR address: x",
    "InvalidInput",
    "serviceRange",
  ],
  [TAKEN, "Conflict", "ss -ltnp"],
  [
    "exited with 0: listen tcp [::1]:6444: bind: cannot assign requested address",
    "Unsupported",
    "::1",
  ],
])("the third death of %s ends it, with a remedy", (reason, code, remedy) => {
  const failure = giveUpFor({ reason, deaths: 3, hasBeenReady: false });

  expect(failure).toMatchObject({ code });
  expect(failure?.message).toContain(remedy);
  expect(failure?.message).toContain(reason);
  expect(failure?.message).not.toContain("\n");
});

test.each([1, 2])("after death %d it is tried once more", (deaths) => {
  expect(giveUpFor({ reason: TAKEN, deaths, hasBeenReady: false })).toBeUndefined();
});

test("a port that is taken after K3s has been ready may be free again: it is tried on", () => {
  expect(giveUpFor({ reason: TAKEN, deaths: 9, hasBeenReady: true })).toBeUndefined();
  expect(giveUpFor({ reason: DIFFERENT_TOKEN, deaths: 9, hasBeenReady: true })).toBeDefined();
});

test.each([
  "killed by SIGKILL",
  `exited with 0: Shutdown request received: "failed to wait for API server to become ready"`,
  "exited with 1: database is locked",
  "did not get ready within 120 s",
])("%s is tried again and again", (reason) => {
  expect(giveUpFor({ reason, deaths: 100, hasBeenReady: false })).toBeUndefined();
});
