/** Go, on PATH or where its own packages put it. */
export function goCommand(): string {
  return Bun.which("go") ?? "/usr/local/go/bin/go";
}
