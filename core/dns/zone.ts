import { parse } from "ipaddr.js";
import type { Machine } from "../fly/machine.ts";
import { canonical, type Name } from "./name.ts";
import type { RecordData } from "./record.ts";

/** Everything we answer for at one moment; a new one replaces it whole. */
export interface Zone {
  /** By name in lower case. A name that only others hang below has no records. */
  readonly records: ReadonlyMap<Name, readonly RecordData[]>;
}

/** Where a Machine is found and what is known of it. */
export interface ZoneMachine {
  readonly app: string;
  readonly machine: Machine;
}

/** Domains that nobody but us knows anything about: what is not here is nowhere. */
export const OWN_DOMAINS = ["internal", "flycast", "cluster.local", "a.a.d.f.ip6.arpa"] as const;

/** What may stand as one label of a name in Fly's private DNS. */
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const TEXT_MAX_LENGTH = 255;

/**
 * Fly's `.internal` names for these Machines, and `hosts` beside them (name → addresses). Pure.
 *
 * Only started Machines have addresses; a name whose Machines are all stopped exists without any.
 * Source: Fly docs, "Private Networking", on `.internal` names.
 */
export function zoneFor(
  machines: readonly ZoneMachine[],
  hosts: ReadonlyMap<Name, readonly string[]> = new Map(),
): Zone {
  const records = new Map<Name, RecordData[]>();

  const add = (name: Name, data?: RecordData): void => {
    const key = canonical(name);
    const known = records.get(key);
    if (known === undefined) {
      records.set(key, data === undefined ? [] : [data]);
      const parent = parentOf(key);
      if (parent !== undefined && !records.has(parent)) add(parent);
    } else if (data !== undefined) known.push(data);
  };

  for (const [name, addresses] of hosts) for (const ip of addresses) add(name, addressOf(ip));
  for (const { app, machine } of machines) addMachine(add, app, machine);
  for (const [app, ofApp] of byApp(machines)) addLists(add, app, ofApp);
  const apps = new Set(machines.map(({ app }) => app));
  add("_apps.internal", textOf([...apps]));
  return { records };
}

type Add = (name: Name, data?: RecordData) => void;

function addMachine(add: Add, app: string, machine: Machine): void {
  const config = machine.config ?? machine.incomplete_config;
  if (config?.dns?.skip_registration === true) return;
  const address = machine.state === "started" ? addressOf(machine.private_ip) : undefined;
  const home = `${app}.internal`;

  for (const name of [home, `global.${home}`, `${machine.region}.${home}`]) add(name, address);
  add(`${machine.id}.vm.${home}`, address);
  for (const [key, value] of Object.entries(config?.metadata ?? {})) {
    if (key === "fly_process_group" && isLabel(value)) add(`${value}.process.${home}`, address);
    if (isLabel(key) && isLabel(value)) add(`${value}.${key}.kv._metadata.${home}`, address);
  }
  const target = `${machine.id}.vm.${home}`;
  if (address !== undefined) add(reverseOf(machine.private_ip), { type: "PTR", target });
}

function addLists(add: Add, app: string, machines: readonly Machine[]): void {
  const home = `${app}.internal`;
  const started = machines.filter(({ state }) => state === "started");

  add(`vms.${home}`, vms(started));
  add(`all.vms.${home}`, vms(machines));
  add(`regions.${home}`, regions(started));
  add(`all.regions.${home}`, regions(machines));
}

function vms(machines: readonly Machine[]): RecordData {
  return textOf(machines.map(({ id, region }) => `${id} ${region}`));
}

function regions(machines: readonly Machine[]): RecordData {
  return textOf([...new Set(machines.map(({ region }) => region))]);
}

function byApp(machines: readonly ZoneMachine[]): ReadonlyMap<string, readonly Machine[]> {
  const apps = new Map<string, Machine[]>();
  for (const { app, machine } of machines) {
    const known = apps.get(app);
    if (known === undefined) apps.set(app, [machine]);
    else known.push(machine);
  }
  return apps;
}

/** A list with commas, cut into pieces that a TXT record can hold. */
function textOf(items: readonly string[]): RecordData {
  const text = items.join(",");
  const texts: string[] = [];
  for (let at = 0; at < text.length; at += TEXT_MAX_LENGTH) {
    texts.push(text.slice(at, at + TEXT_MAX_LENGTH));
  }
  return { type: "TXT", texts: texts.length === 0 ? [""] : texts };
}

function addressOf(text: string): RecordData {
  const address = Uint8Array.from(parse(text).toByteArray());
  return { type: address.length === 4 ? "A" : "AAAA", address };
}

/** `…ip6.arpa`, where a PTR record leads from an address to its name. */
function reverseOf(address: string): Name {
  const nibbles = parse(address)
    .toByteArray()
    .flatMap((byte) => [byte >>> 4, byte & 0xf])
    .map((nibble) => nibble.toString(16));
  return `${nibbles.toReversed().join(".")}.ip6.arpa`;
}

function isLabel(text: string): boolean {
  return LABEL.test(text.toLowerCase());
}

function parentOf(name: Name): Name | undefined {
  const dot = name.indexOf(".");
  return dot < 0 ? undefined : name.slice(dot + 1);
}
