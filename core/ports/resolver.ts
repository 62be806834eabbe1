/** Who answers questions about names that are not ours. */
export interface Resolver {
  /**
   * The answer to a DNS query, whole, as it came, under the id of `query`.
   * Throws FksError `Unavailable` when nobody answers in time, or when there is nobody to ask.
   */
  ask(query: Uint8Array, signal: AbortSignal): Promise<Uint8Array>;
}
