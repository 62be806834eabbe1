import { FksError } from "../errors.ts";

type Labels = Readonly<Record<string, string>>;

/** A selector as objects hold it. */
export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelRequirement[];
}

export interface LabelRequirement {
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  readonly values: readonly string[];
}

type Matches = (labels: Labels) => boolean;

const KEY = String.raw`[A-Za-z0-9][A-Za-z0-9._/-]*`;
const VALUE = String.raw`[A-Za-z0-9._-]*`;
const EXISTS = new RegExp(`^(!?)\\s*(${KEY})$`);
const EQUALS = new RegExp(`^(${KEY})\\s*(==?|!=)\\s*(${VALUE})$`);
const SET = new RegExp(`^(${KEY})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const IS_VALUE = new RegExp(`^${VALUE}$`);

/**
 * Reads a selector as the API server's query has it: `a=b,c!=d,e in (x, y),f notin (z),g,!h`.
 * Empty text selects everything. Throws FksError `InvalidInput` for what is no selector.
 */
export function labelSelectorFor(text: string): Matches {
  const requirements = requirementsIn(text).map(requirementFor);
  return (labels) => requirements.every((matches) => matches(labels));
}

/** Whether an object's selector selects these labels; an empty one selects everything. Pure. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  const { matchLabels, matchExpressions } = selector;
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every((requirement) => isRequirementMet(requirement, labels))
  );
}

/** Whether labels, or fields by their paths, are as the requirement wants them. Pure. */
export function isRequirementMet(
  { key, operator, values }: LabelRequirement,
  labels: Labels,
): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
  }
}

/** Cuts at the commas that are not inside parentheses. */
function requirementsIn(text: string): readonly string[] {
  if (text.trim() === "") return [];
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function requirementFor(text: string): Matches {
  const equals = EQUALS.exec(text);
  if (equals !== null) {
    const [, key = "", operator, value = ""] = equals;
    return operator === "!="
      ? (labels) => labels[key] !== value
      : (labels) => labels[key] === value;
  }
  const set = SET.exec(text);
  if (set !== null) {
    const [, key = "", operator, list = ""] = set;
    const values = list.split(",").map((value) => value.trim());
    if (!values.every((value) => IS_VALUE.test(value))) throw wrong(text);
    const isIn: Matches = (labels) => {
      const value = labels[key];
      return value !== undefined && values.includes(value);
    };
    return operator === "in" ? isIn : (labels) => !isIn(labels);
  }
  const exists = EXISTS.exec(text);
  if (exists === null) throw wrong(text);
  const [, not, key = ""] = exists;
  return (labels) => Object.hasOwn(labels, key) === (not === "");
}

function wrong(text: string): FksError {
  return new FksError("InvalidInput", `unable to parse requirement: "${text}"`);
}
