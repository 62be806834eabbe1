import type { Machine, MachineId } from "../fly/machine.ts";
import { addressInReverse, addressRecords, sameAddress } from "./address.ts";
import { isWithin, type Name } from "./name.ts";
import type { RecordData } from "./record.ts";
import { type Basis, type Found, NOWHERE, type Zone } from "./zone.ts";

/** Where a Machine is found and what is known of it. */
export interface ZoneMachine {
  readonly app: string;
  readonly machine: Machine;
}

/** Fly's `.internal` names of Machines, which come and go one by one. */
export interface MachineNames extends Zone {
  /** A Machine as it is now; what it was before is forgotten. */
  put(machine: ZoneMachine): void;
  drop(id: MachineId): void;
  /** The started Machine with this address, in the spelling of `sameAddress`. */
  at(address: string): ZoneMachine | undefined;
  readonly count: () => number;
}

interface Entry {
  readonly app: string;
  machine: Machine;
  readonly address: string | undefined;
  readonly record: RecordData | undefined;
  readonly names: ReadonlySet<string>;
}

interface App {
  readonly machines: Map<MachineId, Machine>;
  /** By what stands before `.<app>.internal`. */
  readonly names: Map<string, Place>;
  readonly basis: Basis;
}

interface Place {
  /** Machines that have this name or one below it. */
  machines: number;
  readonly records: RecordData[];
}

/** What may stand as one label of a name in Fly's private DNS. */
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const TEXT_MAX_LENGTH = 255;
const DOMAIN = "internal";

/**
 * Only started Machines have addresses; a name whose Machines are all stopped exists without any.
 * Source: Fly docs, "Private Networking", on `.internal` names.
 */
export function machineNames(): MachineNames {
  const apps = new Map<string, App>();
  const entries = new Map<MachineId, Entry>();
  const byAddress = new Map<string, Entry>();
  /** Which Apps there are. */
  const presence: Basis = { version: 0 };

  function put({ app, machine }: ZoneMachine): void {
    const before = entries.get(machine.id);
    if (before !== undefined && isSameName(before, { app, machine })) {
      before.machine = machine;
      return;
    }
    drop(machine.id);
    const address = machine.state === "started" ? sameAddress(machine.private_ip) : undefined;
    const [record] = address === undefined ? [] : addressRecords(address);
    const entry = { app, machine, address, record, names: namesOf(machine) };
    entries.set(machine.id, entry);
    if (address !== undefined) byAddress.set(address, entry);
    const home = apps.get(app) ?? newApp(app);
    home.machines.set(machine.id, machine);
    home.basis.version += 1;
    for (const name of entry.names) enter(home, name, record);
  }

  function newApp(name: string): App {
    const app = { machines: new Map(), names: new Map(), basis: { version: 0 } };
    apps.set(name, app);
    presence.version += 1;
    return app;
  }

  function drop(id: MachineId): void {
    const entry = entries.get(id);
    const home = entry && apps.get(entry.app);
    if (entry === undefined || home === undefined) return;
    entries.delete(id);
    if (byAddress.get(entry.address ?? "") === entry) byAddress.delete(entry.address ?? "");
    home.machines.delete(id);
    home.basis.version += 1;
    for (const name of entry.names) leave(home, name, entry.record);
    if (home.machines.size > 0) return;
    apps.delete(entry.app);
    presence.version += 1;
  }

  function find(name: Name): Found {
    if (!isWithin(name, DOMAIN)) return reverse(name);
    if (name === DOMAIN) return { records: [], basis: presence };
    const above = name.slice(0, -DOMAIN.length - 1);
    if (above === "_apps") return { records: [textOf([...apps.keys()])], basis: presence };
    const dot = above.lastIndexOf(".");
    const app = apps.get(above.slice(dot + 1));
    if (app === undefined) return { records: undefined, basis: presence };
    const rest = dot < 0 ? "" : above.slice(0, dot);
    const records = listOf(app, rest) ?? app.names.get(rest)?.records;
    return { records: rest === "" ? (records ?? []) : records, basis: app.basis };
  }

  function reverse(name: Name): Found {
    const address = addressInReverse(name);
    const found = address === undefined ? undefined : byAddress.get(address);
    if (found === undefined || isUnlisted(found.machine)) return NOWHERE;
    const target = `${found.machine.id}.vm.${found.app}.${DOMAIN}`;
    return { records: [{ type: "PTR", target }] };
  }

  return {
    put,
    drop,
    find,
    at: (address) => byAddress.get(address),
    count: () => entries.size,
  };
}

/** Machines tell of themselves often; most of it changes no name. */
function isSameName({ app, machine, names }: Entry, next: ZoneMachine): boolean {
  const { state, region, private_ip } = next.machine;
  const isSame =
    app === next.app &&
    machine.state === state &&
    machine.region === region &&
    machine.private_ip === private_ip;
  if (!isSame) return false;
  const wanted = namesOf(next.machine);
  return wanted.size === names.size && [...wanted].every((name) => names.has(name));
}

/** Every name of a Machine below its App's, "" for the App's own. */
function namesOf(machine: Machine): ReadonlySet<string> {
  if (isUnlisted(machine)) return new Set();
  const names = new Set(["", "global", machine.region, `${machine.id}.vm`]);
  for (const [key, given] of Object.entries(configOf(machine)?.metadata ?? {})) {
    const [tag, value] = [key.toLowerCase(), given.toLowerCase()];
    if (!LABEL.test(value)) continue;
    if (tag === "fly_process_group") names.add(`${value}.process`);
    if (LABEL.test(tag)) names.add(`${value}.${tag}.kv._metadata`);
  }
  return names;
}

function enter(app: App, name: string, record: RecordData | undefined): void {
  for (const at of selfAndParents(name)) {
    const place = app.names.get(at) ?? { machines: 0, records: [] };
    app.names.set(at, place);
    place.machines += 1;
    if (at === name && record !== undefined) place.records.push(record);
  }
}

function leave(app: App, name: string, record: RecordData | undefined): void {
  for (const at of selfAndParents(name)) {
    const place = app.names.get(at);
    if (place === undefined) continue;
    place.machines -= 1;
    if (place.machines === 0) app.names.delete(at);
    const index = at === name && record !== undefined ? place.records.indexOf(record) : -1;
    if (index >= 0) place.records.splice(index, 1);
  }
}

/** `a.b` and `b`; of "" only itself: every App has a name. */
function* selfAndParents(name: string): Generator<string> {
  yield name;
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    yield name.slice(dot + 1);
  }
}

/** The lists of an App, made when somebody asks. */
function listOf({ machines }: App, name: string): readonly RecordData[] | undefined {
  const all = (): readonly Machine[] => [...machines.values()];
  const started = (): readonly Machine[] => all().filter(({ state }) => state === "started");
  switch (name) {
    case "vms":
      return [vms(started())];
    case "all.vms":
      return [vms(all())];
    case "regions":
      return [regions(started())];
    case "all.regions":
      return [regions(all())];
    case "all":
      return [];
    default:
      return undefined;
  }
}

function vms(machines: readonly Machine[]): RecordData {
  return textOf(machines.map(({ id, region }) => `${id} ${region}`));
}

function regions(machines: readonly Machine[]): RecordData {
  return textOf([...new Set(machines.map(({ region }) => region))]);
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

function isUnlisted(machine: Machine): boolean {
  return configOf(machine)?.dns?.skip_registration === true;
}

function configOf(machine: Machine) {
  return machine.config ?? machine.incomplete_config;
}

/** The domains that the Machine at this address puts behind names; none for anybody else. */
export function searchesAt(names: MachineNames, address: string): readonly Name[] {
  const known = names.at(sameAddress(address) ?? "");
  return (known && configOf(known.machine)?.dns?.searches) ?? [];
}
