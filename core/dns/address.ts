import { fromByteArray, isValid, parse } from "ipaddr.js";
import { canonicalIp } from "../fly/ip.ts";
import type { Name } from "./name.ts";
import type { RecordData } from "./record.ts";

/** An A or AAAA record; nothing when the text is no address. */
export function addressRecords(text: string): readonly RecordData[] {
  if (!isValid(text)) return [];
  const address = Uint8Array.from(parse(text).toByteArray());
  return [{ type: address.length === 4 ? "A" : "AAAA", address }];
}

/** The address that a reverse name in lower case is about; `undefined` when it is about none. */
export function addressInReverse(name: Name): string | undefined {
  const labels = name.split(".").toReversed();
  if (labels[0] !== "arpa") return undefined;
  const parts = labels.slice(2);
  if (labels[1] === "in-addr" && parts.length === 4) {
    return parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)
      ? parts.join(".")
      : undefined;
  }
  if (labels[1] !== "ip6" || parts.length !== 32) return undefined;
  if (!parts.every((part) => /^[0-9a-f]$/.test(part))) return undefined;
  const nibbles = parts.map((part) => Number.parseInt(part, 16));
  const bytes = Array.from(
    { length: 16 },
    (_, index) => ((nibbles[2 * index] ?? 0) << 4) | (nibbles[2 * index + 1] ?? 0),
  );
  return canonicalIp(fromByteArray(bytes).toString());
}
