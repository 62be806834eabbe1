/** What an image may cost at most; beyond it unpacking stops and the image is refused. */
export interface UnpackLimits {
  /** Of all layers together, decompressed. */
  readonly totalBytes: number;
  readonly fileBytes: number;
  readonly entries: number;
  readonly layers: number;
}

const GIB = 2 ** 30;

/** Several times the largest images in wide use. */
export const DEFAULT_UNPACK_LIMITS: UnpackLimits = {
  totalBytes: 64 * GIB,
  fileBytes: 32 * GIB,
  entries: 4_000_000,
  layers: 500,
};
