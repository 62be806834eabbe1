/**
 * `text` with each `$(NAME)` replaced by what `variables` holds, as Kubernetes does in env values,
 * command and args: an unknown name stays as it is written, and `$$` is a dollar sign, so that
 * `$$(NAME)` is the text `$(NAME)`. A `$` before anything else is itself.
 */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([^)]*)\)/g, (written, name: string | undefined) => {
    if (name === undefined) return "$";
    return variables.get(name) ?? written;
  });
}
