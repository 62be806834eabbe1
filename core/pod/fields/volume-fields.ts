import { carried, type PodField, refused, TRUE, type Values } from "./field.ts";

/** Volume sources that no Machine has, by the sentence that says why. */
const REFUSED_SOURCES: Readonly<Record<string, readonly string[]>> = {
  "A Machine cannot see the host's files.": ["hostPath"],
  "A Machine has no driver for it.": [
    "csi",
    "nfs",
    "iscsi",
    "fc",
    "cephfs",
    "rbd",
    "glusterfs",
    "flexVolume",
    "flocker",
    "gitRepo",
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cinder",
    "gcePersistentDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "quobyte",
    "scaleIO",
    "storageos",
    "vsphereVolume",
  ],
};

const TOKEN = "The token volume of every Pod; tokens are renewed at 80 % of their life.";
const LIVE = "Files follow the object within a minute; all change in one step.";
const LIVE_POD = "Files follow the Pod's labels and annotations.";
const NO_FILES = "Without the Machine protocol no files reach a Machine.";
const NO_TOKEN = "Tokens do not reach the Machine: the volume is left out.";

/** What every Pod has beside its token, which on Fly is left out with it. */
const OTHER_CONFIG_MAP: Values = {
  text: "another ConfigMap than `kube-root-ca.crt`",
  has: (value) => Object(value).name !== "kube-root-ca.crt",
};
const OTHER_FIELD: Values = {
  text: "another field than `metadata.namespace`",
  has: (value) => value !== "metadata.namespace",
};

const CLAIM = "The Pod waits until it is bound, then its Machine has the Fly volume.";

function fed(path: string, sentence: string, values?: Values): PodField {
  return carried(path, sentence, {
    fly: ["refused", NO_FILES],
    ...(values === undefined ? {} : { values }),
  });
}

/** The fields of each item of `spec.volumes`. */
export const VOLUME_FIELDS: readonly PodField[] = [
  carried("name", "The volume's name in the Machine."),
  refused("emptyDir.medium", "A Machine has no huge pages to hand out.", {
    values: {
      text: "huge pages",
      has: (value) => typeof value === "string" && value.startsWith("HugePages"),
    },
  }),
  carried("emptyDir.sizeLimit", "The size in memory; on disk a Pod that writes more is evicted.", {
    fly: ["carried", "The size of the volume, on disk or in memory."],
  }),
  fed("configMap.name", LIVE),
  fed("configMap.items", "Only these keys, each with its path and mode."),
  fed("configMap.defaultMode", "Permissions of the files."),
  fed("configMap.optional", "Without the object or a key there is no file."),
  fed("secret.secretName", LIVE),
  fed("secret.items", "Only these keys, each with its path and mode."),
  fed("secret.defaultMode", "Permissions of the files."),
  fed("secret.optional", "Without the object or a key there is no file."),
  fed("downwardAPI.items", LIVE_POD),
  fed("downwardAPI.defaultMode", "Permissions of the files."),
  carried("projected.defaultMode", "Permissions of the files."),
  carried("projected.sources[].serviceAccountToken", TOKEN, { fly: ["approximated", NO_TOKEN] }),
  fed("projected.sources[].configMap", LIVE, OTHER_CONFIG_MAP),
  fed("projected.sources[].secret", LIVE),
  carried("projected.sources[].downwardAPI.items[].path", "The file's name."),
  carried("projected.sources[].downwardAPI.items[].mode", "The file's permissions."),
  carried("projected.sources[].downwardAPI.items[].fieldRef.apiVersion", "Always `v1`."),
  fed("projected.sources[].downwardAPI.items[].fieldRef.fieldPath", LIVE_POD, OTHER_FIELD),
  fed("projected.sources[].downwardAPI.items[].resourceFieldRef", "A number, rounded up."),
  fed("image.reference", "The image's files, read-only; nothing in them is run."),
  fed("image.pullPolicy", "As a kubelet follows it, at each start of a container."),
  carried("persistentVolumeClaim.claimName", CLAIM),
  carried("persistentVolumeClaim.readOnly", "No container can write to it.", {
    fly: ["approximated", "The containers can write to it."],
    values: TRUE,
  }),
  carried("ephemeral.volumeClaimTemplate", `A claim of the Pod's own. ${CLAIM}`),
  refused("projected.sources[].clusterTrustBundle", "Trust bundles are not carried."),
  refused("projected.sources[].podCertificate", "Certificates for Pods are not issued."),
  ...Object.entries(REFUSED_SOURCES).flatMap(([sentence, sources]) =>
    sources.map((source) => refused(source, sentence)),
  ),
];
