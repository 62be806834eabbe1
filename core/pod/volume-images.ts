import type { Bundle, VolumeImage } from "../fly/machine-protocol.ts";
import type { Pod } from "../kube/pod.ts";

/** By name of the volume the image that it shows. Pure. */
export function volumeImagesFor({ spec }: Pod): Pick<Bundle, "images"> {
  const images = (spec.volumes ?? []).flatMap(({ name, image }) => {
    if (image === undefined) return [];
    const { reference = "", pullPolicy } = image;
    const shown: VolumeImage = {
      image: reference,
      ...(pullPolicy === undefined ? {} : { imagePullPolicy: pullPolicy }),
    };
    return [[name, shown] as const];
  });
  return images.length === 0 ? {} : { images: Object.fromEntries(images) };
}
