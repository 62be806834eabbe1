/** A program to run as a child of ours, in a process group of its own. */
export interface ProcessSpec {
  readonly name: string;
  /** Executable and arguments. Never a secret: everybody on the host can read them. */
  readonly command: readonly string[];
  /** The whole environment; nothing of ours is passed on besides. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** How a process ended: by itself with `exitCode`, or killed by the signal named `signalName`. */
export interface ExitStatus {
  readonly exitCode?: number;
  readonly signalName?: string;
}

/** Number and start of a process: together they never name another one. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it was started, in words of the host's that are good for nothing but comparing. */
  readonly startedAt: string;
}

export interface ChildProcess {
  readonly pid: number;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** SIGTERM goes to the process, SIGKILL to its whole group. A process that is gone is a success. */
  kill(signalName: "SIGTERM" | "SIGKILL"): void;
  /** What it said last that explains its end; undefined when nothing does. Never a secret. */
  lastWords(): string | undefined;
}

export interface HttpsProbe {
  readonly kind: "https";
  readonly url: string;
  /** Files of the CA to trust and of our client certificate; without a CA any server is believed. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** User name and the file that holds the password: told only to a server that was verified. */
  readonly basic?: { readonly user: string; readonly passwordFile: string };
}

/** One question. */
export type SingleProbe =
  | { readonly kind: "unix-socket"; readonly path: string }
  | { readonly kind: "http-on-unix-socket"; readonly path: string; readonly target: string }
  | HttpsProbe;

/** How to ask a child whether it is ready. */
export type Probe =
  | SingleProbe
  /** Asked one after the other; the first that is not ready gives the outcome, and is named. */
  | {
      readonly kind: "in-turn";
      readonly steps: readonly { readonly what: string; readonly probe: HttpsProbe }[];
    };

/** `unready` answered and said no; `silent` did not answer at all. */
export type ProbeResult =
  | { readonly outcome: "ready" }
  | { readonly outcome: "unready" | "silent"; readonly reason: string };

/** Starts programs on the host and asks them how they are. */
export interface Processes {
  /** Throws `Unavailable` when the program cannot be started. */
  spawn(spec: ProcessSpec): ChildProcess;
  /** Never throws but for `signal`. */
  probe(probe: SingleProbe, signal: AbortSignal): Promise<ProbeResult>;
}
