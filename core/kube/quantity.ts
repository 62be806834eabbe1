import { FksError } from "../errors.ts";

const NANO = 1_000_000_000n;

const NANOS_OF_SUFFIX: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1_000n,
  m: 1_000_000n,
  "": NANO,
  k: NANO * 10n ** 3n,
  M: NANO * 10n ** 6n,
  G: NANO * 10n ** 9n,
  T: NANO * 10n ** 12n,
  P: NANO * 10n ** 15n,
  E: NANO * 10n ** 18n,
  Ki: NANO * 2n ** 10n,
  Mi: NANO * 2n ** 20n,
  Gi: NANO * 2n ** 30n,
  Ti: NANO * 2n ** 40n,
  Pi: NANO * 2n ** 50n,
  Ei: NANO * 2n ** 60n,
};

const QUANTITY = /^([+-]?)(\d*)(?:\.(\d*))?(?:([eE][+-]?\d{1,3})|([a-zA-Z]{0,2}))$/;

/**
 * A Kubernetes quantity in thousand-millionths of its unit, exact, rounded up where it is finer.
 * "1.5Gi", "250m", "1e3", "-2" and ".5" are quantities. Throws FksError `InvalidInput` otherwise.
 */
export function nanosOf(quantity: string): bigint {
  const [, sign, whole = "", fraction = "", exponent, suffix = ""] = QUANTITY.exec(quantity) ?? [];
  const unit = NANOS_OF_SUFFIX[suffix];
  if (sign === undefined || whole + fraction === "" || unit === undefined) {
    throw new FksError("InvalidInput", `"${quantity}" is not a Kubernetes quantity`);
  }

  const power = exponent === undefined ? 0 : Number(exponent.slice(1));
  const digits = BigInt(whole + fraction) * unit * 10n ** BigInt(Math.max(0, power));
  const divisor = 10n ** BigInt(fraction.length + Math.max(0, -power));
  // Away from zero, as Kubernetes does with what is too fine for it.
  const magnitude = ceilDiv(digits, divisor);
  return sign === "-" ? -magnitude : magnitude;
}

/** Thousandths of the unit, rounded up: 250 for the CPU quantity "250m". */
export function millisOf(quantity: string): number {
  return Number(ceilDiv(nanosOf(quantity), NANO / 1000n));
}

/** Whole units, rounded up: bytes of a memory quantity. */
export function wholeOf(quantity: string): number {
  return Number(ceilDiv(nanosOf(quantity), NANO));
}

function ceilDiv(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value > 0n && value % divisor !== 0n ? quotient + 1n : quotient;
}

/** Which steps a quantity is written in: Ki, Mi, Gi … or k, M, G … */
export type QuantityFormat = "binary" | "decimal";

/** Whole units as Kubernetes writes them: with the largest suffix that leaves a whole number. */
export function quantityText(value: number, format: QuantityFormat): string {
  const isSmall = Math.abs(value) < 1_024;
  const [step, suffixes] = format === "binary" && !isSmall ? BINARY : DECIMAL;
  let rest = BigInt(Math.trunc(value));
  let power = 0;
  while (rest !== 0n && rest % step === 0n && power < suffixes.length - 1) {
    rest /= step;
    power += 1;
  }
  return `${rest}${suffixes[power] ?? ""}`;
}

const BINARY = [1_024n, ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]] as const;
const DECIMAL = [1_000n, ["", "k", "M", "G", "T", "P", "E"]] as const;

/** All of them together, in whole units and in the steps of the first that is not nothing. */
export function quantitySum(quantities: readonly string[]): string {
  const [only, ...others] = quantities.filter((one) => nanosOf(one) !== 0n);
  if (only === undefined) return "0";
  if (others.length === 0) return only;
  const sum = [only, ...others].reduce((total, one) => total + wholeOf(one), 0);
  return quantityText(sum, only.endsWith("i") ? "binary" : "decimal");
}
