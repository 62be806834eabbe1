/** `cpu=4,memory=8Gi` or a JSON object as an object; anything else as it is. */
export function pairsIn(value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (value.trimStart().startsWith("{")) return jsonIn(value);
  return Object.fromEntries(
    itemsIn(value).map((pair) => {
      const at = pair.indexOf("=");
      return at === -1 ? [pair, null] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
    }),
  );
}

/** `a, b` as a list; anything else as it is. */
export function listIn(value: unknown): unknown {
  return typeof value === "string" ? itemsIn(value) : value;
}

/** The text that `pairsIn` reads again, whatever the values are; nothing for no pairs. */
export function pairsText(pairs: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(pairs).length === 0 ? undefined : JSON.stringify(pairs);
}

function itemsIn(text: string): readonly string[] {
  return text.split(",").map((item) => item.trim());
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // Whoever wanted an object says so.
  }
}
