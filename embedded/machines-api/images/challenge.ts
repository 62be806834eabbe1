/** How a registry wants to be asked, from its `WWW-Authenticate` header. */
export type Challenge =
  | { readonly scheme: "basic" }
  | {
      readonly scheme: "bearer";
      readonly realm: string;
      readonly service: string | undefined;
      readonly scope: string | undefined;
    };

/** The first challenge we can answer; Bearer before Basic. Never throws. */
export function challengeOf(header: string | null): Challenge | undefined {
  const text = header ?? "";
  const bearer = /(?:^|[\s,])bearer\s+/i.exec(text);
  if (bearer !== null) {
    const fields = fieldsOf(text.slice(bearer.index + bearer[0].length));
    const realm = fields.get("realm");
    if (realm !== undefined && URL.canParse(realm)) {
      return {
        scheme: "bearer",
        realm,
        service: fields.get("service"),
        scope: fields.get("scope"),
      };
    }
  }
  return /(?:^|[\s,])basic(?:\s|$)/i.test(text) ? { scheme: "basic" } : undefined;
}

/** `key="value"` pairs; of a key that comes twice the first counts. */
function fieldsOf(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const [, key = "", quoted, plain] of text.matchAll(
    /([a-zA-Z]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g,
  )) {
    const name = key.toLowerCase();
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? plain ?? "";
    if (!fields.has(name)) fields.set(name, value);
  }
  return fields;
}
