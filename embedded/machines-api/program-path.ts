/** Where host programs are, also when PATH is the short one of a service or of plain `su`. */
export const PROGRAM_PATH =
  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/podman";
