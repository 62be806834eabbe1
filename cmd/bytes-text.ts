/** 512 B, 4.2 MiB. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"] as const;
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const number = bytes / 1_024 ** power;
  return `${power === 0 ? number : number.toFixed(1)} ${units[power]}`;
}
