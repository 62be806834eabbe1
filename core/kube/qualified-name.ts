const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const PREFIX_MAX = 253;

/** What keys of labels, annotations and taints are made of: `name`, or `dns.subdomain/name`. */
export function isQualifiedName(text: string): boolean {
  const slash = text.indexOf("/");
  if (slash === -1) return NAME.test(text);
  const prefix = text.slice(0, slash);
  return prefix.length <= PREFIX_MAX && PREFIX.test(prefix) && NAME.test(text.slice(slash + 1));
}

/** What values of labels and taints are made of; nothing is one too. */
export function isLabelValue(text: string): boolean {
  return text === "" || NAME.test(text);
}

/** `example.com` of `example.com/name`, "" of `name`. */
export function prefixOf(name: string): string {
  return name.includes("/") ? (name.split("/", 1)[0] ?? "") : "";
}
