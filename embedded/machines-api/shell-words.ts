/** Splits a command line into words as a shell does: quotes and backslashes, nothing expanded. */
export function shellWords(line: string): readonly string[] | undefined {
  const words: string[] = [];
  const pattern = /\s*((?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+)/gsy;
  let end = 0;
  for (let match = pattern.exec(line); match !== null; match = pattern.exec(line)) {
    words.push(unquoted(match[1] ?? ""));
    end = pattern.lastIndex;
  }
  return line.slice(end).trim() === "" ? words : undefined;
}

function unquoted(word: string): string {
  return word.replace(
    /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/gs,
    (_all, double: string | undefined, single: string | undefined, escaped: string | undefined) => {
      if (double !== undefined) return double.replace(/\\(["\\$`])/g, "$1");
      return single ?? escaped ?? "";
    },
  );
}
