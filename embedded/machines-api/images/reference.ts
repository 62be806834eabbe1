import { FksError } from "#core/errors.ts";

/** An image's name, taken apart and completed as Docker and the kubelet complete it. */
export interface Reference {
  /** Host and port, such as `docker.io` or `localhost:5000`. */
  readonly registry: string;
  readonly repository: string;
  /** Absent when only a digest was given. */
  readonly tag?: string;
  /** `sha256:…` */
  readonly digest?: string;
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?";
const REGISTRY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]{1,5})?$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const NAME_MAX_LENGTH = 255;
/** A registry, a tag and a digest more than the name; nothing longer is looked at. */
const TEXT_MAX_LENGTH = 600;
const DEFAULT_REGISTRY = "docker.io";

/**
 * Reads `web`, `team/web:1`, `registry.example:5000/team/web@sha256:…` and the like.
 * Throws FksError `InvalidInput` whose message starts with `InvalidImageName`.
 */
export function referenceOf(text: string): Reference {
  if (text.length > TEXT_MAX_LENGTH) throw invalid(text, "it is too long");
  const [rest = "", digest, ...more] = text.split("@");
  if (more.length > 0) throw invalid(text, "it holds more than one @");
  if (digest !== undefined && !DIGEST.test(digest)) {
    throw invalid(text, "what follows @ is not sha256: and 64 hexadecimal digits");
  }

  const { name, tag } = splitTag(rest);
  if (tag !== undefined && !TAG.test(tag)) throw invalid(text, `"${tag}" cannot be a tag`);

  const { registry, repository } = splitRegistry(name);
  if (!REGISTRY.test(registry)) throw invalid(text, `"${registry}" cannot be a registry`);
  if (repository !== repository.toLowerCase()) {
    throw invalid(text, `repository name (${repository}) must be lowercase`);
  }
  if (!REPOSITORY.test(repository)) throw invalid(text, `"${repository}" cannot be a repository`);
  if (registry.length + repository.length >= NAME_MAX_LENGTH) {
    throw invalid(text, `its name is longer than ${NAME_MAX_LENGTH} characters`);
  }

  if (digest === undefined) return { registry, repository, tag: tag ?? "latest" };
  return tag === undefined
    ? { registry, repository, digest }
    : { registry, repository, tag, digest };
}

/** `registry/repository:tag`, or `registry/repository@sha256:…` where a digest is known. */
export function referenceText({ registry, repository, tag, digest }: Reference): string {
  const name = `${registry}/${repository}`;
  return digest === undefined ? `${name}:${tag ?? "latest"}` : `${name}@${digest}`;
}

/** A colon after the last slash separates the tag; earlier ones belong to a port. */
function splitTag(rest: string): { readonly name: string; readonly tag?: string } {
  const colon = rest.lastIndexOf(":");
  if (colon <= rest.lastIndexOf("/") || colon < 0) return { name: rest };
  return { name: rest.slice(0, colon), tag: rest.slice(colon + 1) };
}

/** The first part is a registry when it cannot be part of a repository on Docker Hub. */
function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  const isRegistry = /[.:A-Z]/.test(first) || first === "localhost";

  const registry = isRegistry ? hubAlias(first) : DEFAULT_REGISTRY;
  const repository = isRegistry ? name.slice(slash + 1) : name;
  const isOfficial = registry === DEFAULT_REGISTRY && !repository.includes("/");
  return { registry, repository: isOfficial ? `library/${repository}` : repository };
}

function hubAlias(registry: string): string {
  return registry === "index.docker.io" || registry === "registry-1.docker.io"
    ? DEFAULT_REGISTRY
    : registry;
}

function invalid(text: string, why: string): FksError {
  const shown = text.length > 300 ? `${text.slice(0, 300)}…` : text;
  return new FksError(
    "InvalidInput",
    `InvalidImageName: "${shown}": invalid reference format: ${why}`,
  );
}
