import type { TerminalSize } from "../fly/machine-protocol.ts";

const MAX_CELLS = 65_535;

export interface TerminalSizes {
  readonly sizes: readonly TerminalSize[];
  /** The beginning of an object that has not arrived whole. */
  readonly rest: string;
}

/**
 * The sizes in a piece of a resize stream: JSON objects one after another, as
 * `{"Width":80,"Height":24}`. Anything else between them is left out. Total.
 */
export function terminalSizesIn(text: string): TerminalSizes {
  const objects = text.split("}");
  const rest = objects.pop() ?? "";
  const sizes = objects.map(sizeIn).filter((size) => size !== undefined);
  return { sizes, rest: rest.length > 256 ? "" : rest };
}

function sizeIn(object: string): TerminalSize | undefined {
  const cols = Number(/"Width"\s*:\s*(\d{1,5})/i.exec(object)?.[1]);
  const rows = Number(/"Height"\s*:\s*(\d{1,5})/i.exec(object)?.[1]);
  const isSize = cols > 0 && rows > 0 && cols <= MAX_CELLS && rows <= MAX_CELLS;
  return isSize ? { cols, rows } : undefined;
}
