import { expect, test } from "bun:test";
import type { ContainerSecurity } from "#core/fly/machine-protocol.ts";
import { type ContainerUser, containerUserFor } from "./users.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\nodd line\n";
const GROUP = "root:x:0:\nweb:x:1001:\nlogs:x:2000:ann,web\naudio:x:29:web\n";

function user(wanted: string, security?: ContainerSecurity, groups: readonly number[] = []) {
  return containerUserFor({ user: wanted, security, groups }, PASSWD, GROUP);
}

test.each([
  ["", { uid: 0, gid: 0, additionalGids: [], home: "/root" }],
  ["web", { uid: 1000, gid: 1001, additionalGids: [2000, 29], home: "/home/web" }],
  ["1000", { uid: 1000, gid: 1001, additionalGids: [2000, 29], home: "/home/web" }],
  ["web:logs", { uid: 1000, gid: 2000, additionalGids: [], home: "/home/web" }],
  ["web:7", { uid: 1000, gid: 7, additionalGids: [], home: "/home/web" }],
  ["4242", { uid: 4242, gid: 0, additionalGids: [], home: "/" }],
  ["4242:4343", { uid: 4242, gid: 4343, additionalGids: [], home: "/" }],
])("user %p of an image", (wanted, expected) => {
  expect(user(wanted)).toEqual(expected);
});

test("a name that nobody has is refused in one sentence", () => {
  expect(() => user("nosuch")).toThrow("unable to find user nosuch");
  expect(() => user("web:nosuch")).toThrow("unable to find group nosuch");
});

test("an image without accounts has its root", () => {
  const nobody = { user: "", security: undefined, groups: [] };

  expect(containerUserFor(nobody, "", "")).toEqual({
    uid: 0,
    gid: 0,
    additionalGids: [],
    home: "/",
  });
});

test.each<[string, ContainerSecurity, Partial<ContainerUser>]>([
  ["web", { runAsUser: 7 }, { uid: 7, gid: 0, additionalGids: [3000] }],
  ["", { runAsUser: 1000 }, { uid: 1000, gid: 1001, additionalGids: [2000, 29, 3000] }],
  [
    "",
    { runAsUser: 1000, runAsGroup: 5, supplementalGroups: [9] },
    { uid: 1000, gid: 5, additionalGids: [2000, 29, 9, 3000] },
  ],
  [
    "web",
    { strictGroups: true, supplementalGroups: [9] },
    { uid: 1000, gid: 1001, additionalGids: [9, 3000] },
  ],
  ["web:logs", {}, { gid: 2000, additionalGids: [29, 3000] }],
  ["", { runAsGroup: 5 }, { uid: 0, gid: 5 }],
])("user %p of an image in the security context %p", (wanted, security, expected) => {
  expect(user(wanted, security, [3000])).toMatchObject(expected);
});

test.each<[string, ContainerSecurity, string]>([
  ["", {}, "container has runAsNonRoot and image will run as root"],
  ["0:7", {}, "container has runAsNonRoot and image will run as root"],
  [
    "web",
    {},
    "container has runAsNonRoot and image has non-numeric user (web), cannot verify user is non-root",
  ],
  ["1000", { runAsUser: 0 }, "container's runAsUser breaks non-root policy"],
])("user %p where root is forbidden: %p", (wanted, security, words) => {
  expect(() => user(wanted, { runAsNonRoot: true, ...security })).toThrow(words);
});

test("a user that is not root may run where root is forbidden", () => {
  expect(user("1000", { runAsNonRoot: true }).uid).toBe(1000);
  expect(user("web", { runAsNonRoot: true, runAsUser: 5 }).uid).toBe(5);
});
