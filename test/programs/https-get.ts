/**
 * One GET, for tests that ask inside another network: prints `{status, body}` as JSON.
 *
 *     https-get.ts URL [timeout=MS] [ca=FILE] [cert=FILE key=FILE] [basic=USER:PASSWORD] [bearer=TOKEN] [NAME:VALUE …]
 */
const [, , url = "", ...words] = process.argv;

const options = new Map<string, string>();
const headers = new Headers();
for (const word of words) {
  const [, name = "", mark, value = ""] = /^([\w-]+)([=:])(.*)$/s.exec(word) ?? [];
  if (mark === "=") options.set(name, value);
  else headers.append(name, value);
}
const basic = options.get("basic");
if (basic !== undefined) headers.set("authorization", `Basic ${btoa(basic)}`);
const bearer = options.get("bearer");
if (bearer !== undefined) headers.set("authorization", `Bearer ${bearer}`);

const file = (name: string): Bun.BunFile | undefined => {
  const path = options.get(name);
  return path === undefined ? undefined : Bun.file(path);
};
const [ca, cert, key] = [file("ca"), file("cert"), file("key")];
const answer = await fetch(url, {
  headers,
  tls: {
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  },
  signal: AbortSignal.timeout(Number(options.get("timeout") ?? 5_000)),
});
process.stdout.write(JSON.stringify({ status: answer.status, body: await answer.text() }));
