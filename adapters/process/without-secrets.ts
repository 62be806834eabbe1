const REDACTED = "[redacted]";

/** What follows a name, in quotes or up to the next space; quotes may be escaped themselves. */
const VALUE = String.raw`(?:\\?"[^"]*"?|'[^']*'?|\S+)`;

const SECRETS: readonly (readonly [RegExp, string])[] = [
  // K3s' tokens: the digest of its CA, and the secret.
  [/K10[0-9a-f]+::[^\s"'\\]*|K10[0-9a-f]{16,}/gi, REDACTED],
  // A user's password in a URL; it may hold what ends other URLs.
  [/\b([a-z][\w+.-]*:\/\/[^\s:/@]*):\S*@/gi, `$1:${REDACTED}@`],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]*/g, REDACTED],
  [new RegExp(String.raw`\b(Bearer|Authorization:? Basic) ${VALUE}`, "gi"), `$1 ${REDACTED}`],
  [new RegExp(`(token|passw(?:or)?d|secret)=${VALUE}`, "gi"), `$1=${REDACTED}`],
  [new RegExp(String.raw`(--[a-z-]*(?:token|password|secret)) ${VALUE}`, "gi"), `$1 ${REDACTED}`],
  [new RegExp(String.raw`((?:token|password|secret)\\?"\s*:\s*)${VALUE}`, "gi"), `$1${REDACTED}`],
];

/** A line that others may read: tokens and passwords in their usual places are gone. Pure. */
export function withoutSecrets(line: string): string {
  return SECRETS.reduce((text, [pattern, substitute]) => text.replace(pattern, substitute), line);
}
