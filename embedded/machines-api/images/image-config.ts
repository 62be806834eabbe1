import type { ImageConfig } from "./images.ts";
import type { ConfigFile } from "./manifest.ts";

/** What the config says about running the image; empty and `null` count as not said. Pure. */
export function imageConfigOf({ config }: ConfigFile): ImageConfig {
  const said = Object.entries(config ?? {}).filter(
    ([, value]) => value !== null && value !== undefined && value !== "",
  );
  return Object.fromEntries(said);
}
