import { expect, test } from "bun:test";
import { imageFor } from "./platform.ts";

const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;

function index(...platforms: (string | undefined)[]): Parameters<typeof imageFor>[0] {
  return {
    schemaVersion: 2,
    manifests: platforms.map((text, at) => {
      const base = { mediaType: "m", digest: digest(String(at)), size: 1 };
      if (text === undefined) return base;
      const [os = "", architecture = "", variant] = text.split("/");
      const platform = { os, architecture, ...(variant === undefined ? {} : { variant }) };
      return { ...base, platform };
    }),
  };
}

test.each<[string, readonly (string | undefined)[], number | undefined]>([
  ["amd64", ["linux/arm64", "linux/amd64"], 1],
  ["amd64", ["windows/amd64", "linux/amd64"], 1],
  ["amd64", ["linux/amd64/v3", "linux/amd64"], 1],
  ["amd64", ["linux/amd64/v3"], undefined],
  ["arm64", ["linux/arm64", "linux/arm64/v8"], 1],
  ["arm64", ["linux/arm/v7", "linux/arm64"], 1],
  ["amd64", ["linux/arm64", "unknown/unknown"], undefined],
  ["amd64", [undefined], 0],
  ["amd64", [undefined, "linux/arm64"], undefined],
  ["amd64", [], undefined],
])("%s out of %p", (architecture, platforms, at) => {
  const found = imageFor(index(...platforms), { architecture });
  expect(found?.digest).toBe(at === undefined ? undefined : digest(String(at)));
});
