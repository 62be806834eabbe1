import { expect, test } from "bun:test";
import { imageTable } from "./image.ts";

test("the table of images has one line for each, its columns below each other", () => {
  const images = [
    {
      reference: "docker.io/library/web:1",
      digest: `sha256:${"ab".repeat(32)}`,
      sizeBytes: 2_137_600,
    },
    {
      reference: "registry.example/team/longer:2",
      digest: `sha256:${"0".repeat(64)}`,
      sizeBytes: 1e9,
    },
  ];

  expect(imageTable(images)).toBe(
    [
      "IMAGE                           DIGEST               SIZE",
      "docker.io/library/web:1         sha256:abababababab  2.1 MB",
      "registry.example/team/longer:2  sha256:000000000000  1000.0 MB",
      "",
    ].join("\n"),
  );
});
