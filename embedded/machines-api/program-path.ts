/** The PATH of a container whose image and configuration name none. */
export const CONTAINER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where host programs are, also when PATH is the short one of a service or of plain `su`. */
export const PROGRAM_PATH = `${CONTAINER_PATH}:/usr/libexec/podman`;
