import { FksError } from "#core/errors.ts";

/** `HASH  NAME`, as `sha256sum` writes it; the asterisk marks a binary file. */
const LINE = /^([0-9a-fA-F]{64})\s+\*?(\S+)$/;

/**
 * The sha256 of the file `name` in the text of a release's checksum file. Pure.
 * Throws FksError `InvalidInput` with what the text is instead, to be put after the name of the file.
 */
export function checksumIn(text: string, name: string): string {
  if (/^\s*</.test(text)) {
    throw new FksError("InvalidInput", "is a web page, not a list of checksums");
  }
  const sums = text.split("\n").flatMap((line) => {
    const [, sum, file] = LINE.exec(line.trim()) ?? [];
    return sum !== undefined && file === name ? [sum.toLowerCase()] : [];
  });
  const [sum] = sums;
  if (sum === undefined) throw new FksError("InvalidInput", `does not name ${name}`);
  if (sums.some((other) => other !== sum)) {
    throw new FksError("InvalidInput", `names ${name} with more than one sha256`);
  }
  return sum;
}
