import { expect, test } from "bun:test";
import type { LogOptions } from "../fly/machine-protocol.ts";
import { logOptionsFor } from "./log-options.ts";

test.each<[string, LogOptions]>([
  ["", {}],
  ["tailLines=0", { tailLines: 0 }],
  ["tail=5&tailLines=7", { tailLines: 5 }],
  ["tail=all&tailLines=7", {}],
  ["follow=true&previous=1&timestamps=True", { follow: true, previous: true, timestamps: true }],
  ["follow", { follow: true }],
  ["follow=false&timestamps=0", {}],
  ["limitBytes=1&sinceSeconds=60", { limitBytes: 1, sinceSeconds: 60 }],
  ["sinceTime=2026-01-02T03:04:05.123456789Z", { sinceTime: "2026-01-02T03:04:05.123456789Z" }],
  ["stream=All&unknown=1", {}],
])("%s", (query, options) => {
  expect(logOptionsFor(new URLSearchParams(query))).toEqual({ ok: true, options });
});

test.each([
  ["tailLines=-1", "tailLines"],
  ["tailLines=1.5", "tailLines"],
  ["tailLines=abc", "tailLines"],
  ["limitBytes=0", "limitBytes"],
  ["sinceSeconds=0", "sinceSeconds"],
  ["sinceSeconds=5&sinceTime=2026-01-02T03:04:05Z", "at most one of"],
  ["sinceTime=yesterday", "sinceTime"],
  ["sinceTime=2026-13-02T03:04:05Z", "sinceTime"],
  ["follow=perhaps", "follow"],
  ["stream=Stderr", "Stderr"],
])("%s is refused by name", (query, named) => {
  const result = logOptionsFor(new URLSearchParams(query));
  expect(result).toMatchObject({ ok: false, status: 400 });
  expect(JSON.stringify(result)).toContain(named);
});
