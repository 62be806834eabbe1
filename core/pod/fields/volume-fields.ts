import { approximated, carried, exactly, type PodField, refused, type Values } from "./field.ts";

/** Volume sources that no Machine has, by the sentence that says why. */
const REFUSED_SOURCES: Readonly<Record<string, readonly string[]>> = {
  "Volumes from ConfigMaps, Secrets and labels of one's own are not carried yet.": [
    "configMap",
    "secret",
    "downwardAPI",
  ],
  "Claims are not carried yet.": ["persistentVolumeClaim", "ephemeral"],
  "A Machine cannot see the host's files.": ["hostPath"],
  "Machines mount no images as volumes yet.": ["image"],
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

const OTHER_CONFIG_MAP: Values = {
  text: "another ConfigMap than `kube-root-ca.crt`",
  has: (value) => Object(value).name !== "kube-root-ca.crt",
};

const TOKEN = "The token volume of every Pod; tokens are renewed at 80 % of their life.";

/** The fields of each item of `spec.volumes`. */
export const VOLUME_FIELDS: readonly PodField[] = [
  carried("name", "The volume's name in the Machine."),
  refused("emptyDir.medium", "A Machine has no huge pages to hand out.", {
    values: {
      text: "huge pages",
      has: (value) => typeof value === "string" && value.startsWith("HugePages"),
    },
  }),
  carried(
    "emptyDir.sizeLimit",
    "The size of the volume on disk; in memory the Machine's is the limit.",
  ),
  carried("projected.defaultMode", "Permissions of the files."),
  carried("projected.sources[].serviceAccountToken", TOKEN, {
    fly: ["approximated", "Tokens do not reach the Machine: the volume is left out."],
  }),
  refused(
    "projected.sources[].configMap",
    "Only the API server's certificates are carried so far.",
    {
      values: OTHER_CONFIG_MAP,
    },
  ),
  carried("projected.sources[].downwardAPI.items[].path", "The file's name."),
  carried("projected.sources[].downwardAPI.items[].mode", "The file's permissions."),
  carried("projected.sources[].downwardAPI.items[].fieldRef.apiVersion", "Always `v1`."),
  approximated(
    "projected.sources[].downwardAPI.items[].fieldRef.fieldPath",
    "Written once, when the Machine starts.",
    { values: exactly("metadata.labels", "metadata.annotations") },
  ),
  refused(
    "projected.sources[].downwardAPI.items[].resourceFieldRef",
    "Files from resources are not carried yet.",
  ),
  refused("projected.sources[].secret", "Secrets are not carried yet."),
  refused("projected.sources[].clusterTrustBundle", "Trust bundles are not carried."),
  refused("projected.sources[].podCertificate", "Certificates for Pods are not issued."),
  ...Object.entries(REFUSED_SOURCES).flatMap(([sentence, sources]) =>
    sources.map((source) => refused(source, sentence)),
  ),
];
