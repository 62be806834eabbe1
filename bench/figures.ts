/** The value below which `share` of the samples lie. */
export function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** A Markdown table; numbers get one decimal. */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const lines = [header, header.map(() => "---"), ...rows.map((row) => row.map(text))];
  return lines.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

function text(cell: string | number): string {
  return typeof cell === "string" ? cell : cell.toFixed(1);
}
