/** In lower-case hexadecimal digits, as `sha256sum` prints it. Pure. */
export function sha256OfText(content: string | Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(content).digest("hex");
}
