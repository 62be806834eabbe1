/** A file that is made from others and kept in the repository. */
export interface Generated {
  readonly path: string;
  readonly text: string;
}

/** Writes the files, or with `--check` names those that are stale. Resolves with the exit code. */
export async function writeOrCheck(files: readonly Generated[]): Promise<number> {
  const isCheck = process.argv.includes("--check");
  const stale: string[] = [];
  for (const { path, text } of files) {
    const file = Bun.file(path);
    if ((await file.exists()) && (await file.text()) === text) continue;
    stale.push(path);
    if (!isCheck) await Bun.write(path, text);
  }
  for (const path of stale) console.log(isCheck ? `stale: ${path}` : `written: ${path}`);
  if (isCheck && stale.length > 0) console.log("run `make golden` and look at the difference");
  return isCheck && stale.length > 0 ? 1 : 0;
}
