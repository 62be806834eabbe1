/** Milliseconds since the epoch as the API server writes them: RFC 3339, whole seconds. */
export function timeOf(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** A time with any fraction, as the API server will give it back. */
export function wholeSeconds(time: string): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? time : timeOf(ms);
}
