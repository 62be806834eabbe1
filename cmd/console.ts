import pc from "picocolors";
import { wantsColor } from "./role.ts";

/** What `serve` tells the person who started it: steps with their times, trouble, and where things are. */
export interface Console {
  /** Something is done. */
  readonly step: (what: string) => void;
  /** Something takes its time; shown in place on a terminal, line by line elsewhere. */
  readonly progress: (what: string) => void;
  /** Something went wrong, and what happens about it. */
  readonly trouble: (what: string) => void;
  /** Label and value, one a line. */
  readonly facts: (rows: readonly (readonly [string, string])[]) => void;
  readonly say: (line: string) => void;
}

interface Output {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Times count from now. */
export function startConsole(output: Output, now: () => number): Console {
  const isTerminal = output.isTTY === true;
  const color = pc.createColors(wantsColor(isTerminal));
  const startedAtMs = now();
  let isLineOpen = false;

  function line(text: string): void {
    output.write(`${isLineOpen ? "\r\u001B[K" : ""}${text}\n`);
    isLineOpen = false;
  }
  function stamp(): string {
    return color.dim(`${((now() - startedAtMs) / 1000).toFixed(1).padStart(6)} s`);
  }

  return {
    step: (what) => line(`${stamp()}  ${what}`),
    progress(what) {
      if (!isTerminal) return line(`${stamp()}  ${what}`);
      output.write(`\r\u001B[K${stamp()}  ${what}`);
      isLineOpen = true;
    },
    trouble: (what) => line(`${stamp()}  ${color.yellow("!")} ${what}`),
    facts(rows) {
      const width = Math.max(...rows.map(([label]) => label.length)) + 2;
      line("");
      for (const [label, value] of rows) line(`  ${color.bold(label.padEnd(width))}${value}`);
      line("");
    },
    say: line,
  };
}
