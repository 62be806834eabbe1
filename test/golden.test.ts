import { describe, expect, test } from "bun:test";
import { FIELDS } from "#core/pod/fields/table.ts";
import type { Generated } from "#scripts/generated.ts";
import { casesOf, machineFilesFor, podIn, statusFilesFor } from "#scripts/golden-cases.ts";

async function expectGolden(files: readonly Generated[]): Promise<void> {
  for (const { path, text } of files) {
    expect(JSON.parse(text), path).toEqual(await Bun.file(path).json());
  }
}

describe("a Pod becomes a Machine", () => {
  test.each(casesOf("pod-to-machine"))("%s", async (folder) => {
    await expectGolden(await machineFilesFor(folder));
  });

  test("every row of the field table has a case", async () => {
    const pods = await Promise.all(casesOf("pod-to-machine").map(podIn));
    const seen = FIELDS.filter(({ path, values }) =>
      pods.some((pod) =>
        valuesAt(pod, path.split(/\.|(?=\[\])/)).some((value) => values?.has(value, pod) ?? true),
      ),
    );
    expect(FIELDS.filter((field) => !seen.includes(field)).map(({ path }) => path)).toEqual([]);
  });
});

describe("a Machine becomes a Pod's status", () => {
  test.each(casesOf("machine-to-status"))("%s", async (folder) => {
    await expectGolden(await statusFilesFor(folder));
  });
});

test("no secret stands in a Machine's config", async () => {
  for (const folder of casesOf("pod-to-machine")) {
    for (const { path, text } of await machineFilesFor(folder)) {
      if (path.endsWith("bundle.json")) continue;
      expect(text).not.toContain("token for");
      expect(text).not.toContain("s3cret");
      expect(text).not.toContain(btoa("s3cret").slice(0, 8));
    }
  }
});

/** Every value at a path of the field table. */
function valuesAt(value: unknown, [step, ...rest]: readonly string[]): readonly unknown[] {
  if (step === undefined) return value === undefined ? [] : [value];
  if (typeof value !== "object" || value === null) return [];
  const next: readonly unknown[] =
    step === "[]" || step === "*"
      ? Object.values(value)
      : Object.entries(value).flatMap(([name, child]: readonly [string, unknown]) =>
          name === step ? [child] : [],
        );
  return next.flatMap((child) => valuesAt(child, rest));
}
