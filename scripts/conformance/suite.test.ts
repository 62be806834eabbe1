import { expect, test } from "bun:test";
import { foldersOf, librariesIn } from "./debian.ts";
import { missingImages } from "./images.ts";
import { readKnown } from "./known.ts";
import { focusOf } from "./suite.ts";

test("a test is meant by its whole name, whatever characters are in it", () => {
  const name = "[sig-node] Probing should *not* be restarted with a (x|y) probe";

  expect(new RegExp(focusOf(name)).test(`${name} [Conformance]`)).toBe(true);
  expect(new RegExp(focusOf(name)).test(name)).toBe(false);
});

test("the libraries of a program are those its loader would load", () => {
  const ldd = `\tlinux-vdso.so.1 (0x00007ffd)
\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f58)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f59)
`;

  expect(librariesIn(ldd)).toEqual([
    "/lib/x86_64-linux-gnu/libz.so.1",
    "/lib64/ld-linux-x86-64.so.2",
  ]);
  expect(librariesIn("\tnot a dynamic executable\n")).toEqual([]);
});

test("folders come before what they hold", () => {
  expect(foldersOf(["lib/x/libz.so", "bin/sh"]).map(({ path }) => path)).toEqual([
    "lib/",
    "bin/",
    "lib/x/",
  ]);
});

test("an image that is meant to be missing is not missed", () => {
  const wanted = [
    "registry.k8s.io/pause:3.10.2",
    "registry.k8s.io/etcd:3",
    "invalid.registry.k8s.io/invalid/alpine:3.1",
  ];

  expect(missingImages(wanted, [{ reference: "registry.k8s.io/pause:3.10.2" }])).toEqual([
    "registry.k8s.io/etcd:3",
  ]);
});

test("no test is both known to fail and not applicable, or named twice", () => {
  const known = readKnown();
  const names = [
    ...known.notApplicable.flatMap(({ tests }) => tests),
    ...Object.keys(known.failures),
  ];

  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
  expect(known.ci.filter((name) => names.includes(name))).toEqual([]);
});
