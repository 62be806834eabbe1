import { expect, test } from "bun:test";
import { containerUserFor } from "./users.ts";

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001::/home/web:/bin/sh\nodd line\n";
const GROUP = "root:x:0:\nweb:x:1001:\nlogs:x:2000:ann,web\naudio:x:29:web\n";

const user = (wanted: string) => containerUserFor(wanted, PASSWD, GROUP);

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
  expect(containerUserFor("", "", "")).toEqual({ uid: 0, gid: 0, additionalGids: [], home: "/" });
});
