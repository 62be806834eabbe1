/**
 * The value of the `Authorization` header. Macaroons (`fm2_…`, several parted by commas) go by Fly's
 * own scheme, everything else is a bearer token; a token that names its scheme keeps it.
 */
export function authorizationFor(token: string): string {
  const trimmed = token.trim();
  if (/^(FlyV1|Bearer) /.test(trimmed)) return trimmed;
  return /^fm\d+[a-z]?_/.test(trimmed) ? `FlyV1 ${trimmed}` : `Bearer ${trimmed}`;
}
