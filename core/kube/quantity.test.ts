import { describe, expect, test } from "bun:test";
import { assert, bigInt, constantFrom, integer, property, string } from "fast-check";
import { FksError } from "../errors.ts";
import { millisOf, nanosOf, quantitySum, quantityText, wholeOf } from "./quantity.ts";

const BYTES = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, k: 1e3, M: 1e6, G: 1e9 } as const;

describe("quantities", () => {
  test.each([
    ["250m", 250],
    ["2", 2000],
    ["0.5", 500],
    [".5", 500],
    ["1.", 1000],
    ["1e3", 1_000_000],
    ["1E-3", 1],
    ["0.0001", 1],
    ["100u", 1],
    ["-1", -1000],
    ["0", 0],
  ])("%s is %d thousandths", (quantity, millis) => {
    expect(millisOf(quantity)).toBe(millis);
  });

  test.each([
    ["1.5Gi", 1_610_612_736],
    ["128974848", 128_974_848],
    ["129e6", 129_000_000],
    ["129M", 129_000_000],
    ["128974848000m", 128_974_848],
    ["1Ei", 2 ** 60],
    ["0.1Ki", 103],
  ])("%s is %d bytes", (quantity, bytes) => {
    expect(wholeOf(quantity)).toBe(bytes);
  });

  test.each(["", "Mi", ".", "1K", "1 Gi", "1Gib", "0x10", "1e", "--1", "1,5", "1mi", "NaN"])(
    "%j is refused as not a quantity",
    (quantity) => {
      expect(() => nanosOf(quantity)).toThrow(FksError);
    },
  );

  test("a suffix means the same as the amount written out", () => {
    assert(
      property(
        integer({ min: 1, max: 4096 }),
        constantFrom("Ki", "Mi", "Gi", "k", "M", "G"),
        (n, suffix) => {
          expect(nanosOf(`${n}${suffix}`)).toBe(nanosOf(String(n * BYTES[suffix])));
        },
      ),
    );
  });

  test("sums of exact quantities are exact, however large", () => {
    assert(
      property(
        bigInt({ min: 0n, max: 10n ** 18n }),
        bigInt({ min: 0n, max: 10n ** 18n }),
        (a, b) => {
          expect(nanosOf(`${a}n`) + nanosOf(`${b}n`)).toBe(nanosOf(`${a + b}n`));
        },
      ),
    );
  });

  test.each([
    [0, "binary", "0"],
    [1_000, "binary", "1k"],
    [1_024, "binary", "1Ki"],
    [5_246_976, "binary", "5124Ki"],
    [5 * 2 ** 30, "binary", "5Gi"],
    [1_023_000_001, "binary", "1023000001"],
    [900_000, "decimal", "900k"],
    [1_024, "decimal", "1024"],
  ] as const)("%d in %s steps is %s", (value, format, text) => {
    expect(quantityText(value, format)).toBe(text);
  });

  test("a sum is written in the steps of its first part, and one part as it was", () => {
    expect(quantitySum([])).toBe("0");
    expect(quantitySum(["0", "1.5Gi"])).toBe("1.5Gi");
    expect(quantitySum(["10Mi", "1G"])).toBe("1010485760");
    expect(quantitySum(["512Mi", "512Mi"])).toBe("1Gi");
    expect(quantitySum(["1G", "1Gi"])).toBe("2073741824");
  });

  test("what is written so is the same amount", () => {
    assert(
      property(
        integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        constantFrom("binary" as const, "decimal" as const),
        (value, format) => nanosOf(quantityText(value, format)) === BigInt(value) * 1_000_000_000n,
      ),
    );
  });

  test("any text gives a quantity or InvalidInput, nothing else", () => {
    assert(
      property(string({ maxLength: 12 }), (text) => {
        try {
          return typeof nanosOf(text) === "bigint";
        } catch (error) {
          return FksError.is(error, "InvalidInput");
        }
      }),
    );
  });
});
