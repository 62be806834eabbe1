import type { PullCredential } from "#core/fly/machine-protocol.ts";

/** Images on this host: pulled from a registry or loaded from a file, unpacked once, shared. */
export interface Images {
  /**
   * The image, unpacked and ready to run. A reference loaded from a file wins over registries,
   * also with `Always`. Two callers for one image share one pull.
   *
   * Throws FksError `InvalidInput` (message starts with `InvalidImageName`) for a reference that is
   * none, `NotFound` (`ErrImageNeverPull`) when it is not here and may not be pulled, `Unauthorized`,
   * `NotFound` or `Unavailable` when the pull failed, each with one sentence for people.
   */
  ensure(request: ImageRequest, signal: AbortSignal): Promise<Image>;

  /** Takes in a `docker save` or OCI archive. Resolves with the references now here. */
  load(file: string, signal: AbortSignal): Promise<readonly LoadedImage[]>;

  list(): Promise<readonly LoadedImage[]>;

  /**
   * Frees disk until it is enough: content without a name, then images that nobody uses, least
   * recently used first; never one that was loaded from a file. Resolves with the names that went.
   * Throws `Unavailable` when nothing can go, because images are being taken in or for the disk.
   */
  reclaim(request: ReclaimRequest, signal: AbortSignal): Promise<readonly string[]>;

  /** Forgets a reference; content no reference and no `inUse` digest needs is deleted. */
  remove(reference: string, inUse: ReadonlySet<string>): Promise<void>;
}

export interface ImageRequest {
  readonly reference: string;
  readonly pullPolicy: "Always" | "IfNotPresent" | "Never";
  /** Those that match are tried, longest path first, before anonymous access. */
  readonly credentials?: readonly PullCredential[];
}

export interface ReclaimRequest {
  /** References that some Machine was given; what they lead to stays. */
  readonly inUse: Iterable<string>;
  /** What is here for less stays too: it may be wanted any moment. */
  readonly minAgeMs: number;
  /** Asked after each step. */
  readonly isEnough: () => boolean;
}

export interface Image {
  /** Normalised: `registry/repository:tag` or `…@sha256:…`. */
  readonly reference: string;
  readonly registry: string;
  readonly repository: string;
  readonly tag: string;
  /** Of the manifest, `sha256:…`. */
  readonly digest: string;
  /** Of the config; names the unpacked root. */
  readonly configDigest: string;
  /** Absolute path of the flattened, read-only root file system. */
  readonly root: string;
  readonly sizeBytes: number;
  readonly config: ImageConfig;
  /** How it came to be here, for the event `Pulled`. */
  readonly source: "loaded" | "present" | "pulled";
  /** Milliseconds this call took. */
  readonly tookMs: number;
}

/** The `config` object of an OCI image configuration, in its own words. */
export interface ImageConfig {
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly StopSignal?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface LoadedImage {
  readonly reference: string;
  readonly digest: string;
  readonly sizeBytes: number;
}
