export interface Listener {
  readonly port: number;
  close(): void;
}

export interface ListenOptions {
  /** One address, never a wildcard: a reply must leave from the address that was asked. */
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  /** Makes a socket where it belongs, such as in a network namespace; it calls `create` at once. */
  readonly within: <Result>(create: () => Result) => Result;
}
