/**
 * Bodies of the public API. Unknown fields are let through and counted (`unknown-fields.ts`);
 * fields we know and do not act upon are kept and shown again.
 */
import * as z from "zod";

const text = z.string();

/** A field we keep and do not look into. */
const kept = z.unknown().exactOptional();
const strings = z.array(text);
const texts = z.record(text, text);

/** A Go duration, or a number: of nanoseconds in a config, of seconds in a request. */
const duration = z.union([text, z.number()]);

const name = text.regex(
  /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/,
  "must be 1 to 63 letters, digits, - _ .",
);

const restart = z.looseObject({
  policy: z.enum(["no", "on-failure", "always"]),
  max_retries: z.number().int().nonnegative().exactOptional(),
});

const stop = z.looseObject({ signal: text.exactOptional(), timeout: duration.exactOptional() });

const file = z.looseObject({
  guest_path: text.startsWith("/", "must be absolute"),
  raw_value: text.regex(/^[A-Za-z0-9+/=\s]*$/, "must be base64").exactOptional(),
  secret_name: text.exactOptional(),
  image_config: text.exactOptional(),
  mode: z.number().int().exactOptional(),
});

const container = z.looseObject({
  name,
  image: text.min(1),
  exec: strings.exactOptional(),
  entrypoint: strings.exactOptional(),
  cmd: strings.exactOptional(),
  user: text.exactOptional(),
  env: texts.exactOptional(),
  env_from: z
    .array(
      z.looseObject({
        env_var: text,
        field_ref: z.enum(["id", "version", "app_name", "private_ip", "region", "image"]),
      }),
    )
    .exactOptional(),
  files: z.array(file).exactOptional(),
  restart: restart.exactOptional(),
  stop: stop.exactOptional(),
  depends_on: z
    .array(
      z.looseObject({
        name: text,
        condition: z.enum(["started", "healthy", "exited_successfully"]),
      }),
    )
    .exactOptional(),
  mounts: z.array(z.looseObject({ name: text, path: text })).exactOptional(),
  healthchecks: kept,
  secrets: kept,
});

const volume = z.looseObject({
  name: text.min(1),
  temp_dir: z
    .looseObject({
      storage_type: z.enum(["disk", "memory"]),
      size_mb: z.number().int().positive().exactOptional(),
    })
    .exactOptional(),
  image: text.exactOptional(),
});

const mount = z
  .looseObject({
    volume: text.min(1).exactOptional(),
    name: text.exactOptional(),
    path: text.startsWith("/", "must be absolute"),
    size_gb: kept,
    encrypted: kept,
    extend_threshold_percent: kept,
    add_size_gb: kept,
    size_gb_limit: kept,
  })
  .refine((one) => (one.volume ?? one.name ?? "") !== "", "needs a volume or a name");

const dns = z.looseObject({
  skip_registration: z.boolean().exactOptional(),
  nameservers: strings.exactOptional(),
  searches: strings.exactOptional(),
  options: z.array(z.looseObject({ name: text, value: text.exactOptional() })).exactOptional(),
  dns_forward_rules: kept,
  hostname: text.exactOptional(),
  hostname_fqdn: text.exactOptional(),
});

const guest = z.looseObject({
  cpu_kind: z.enum(["shared", "performance"]).default("shared"),
  cpus: z.number().positive().default(1),
  memory_mb: z.number().int().positive().default(256),
  max_memory_mb: kept,
  kernel_args: kept,
  persist_rootfs: kept,
  gpu_kind: kept,
  gpus: kept,
  host_dedication_id: kept,
});

const config = z
  .looseObject({
    image: text.exactOptional(),
    env: texts.exactOptional(),
    init: z
      .looseObject({
        exec: strings.exactOptional(),
        entrypoint: strings.exactOptional(),
        cmd: strings.exactOptional(),
        tty: z.boolean().exactOptional(),
        swap_size_mb: kept,
        kernel_args: kept,
      })
      .exactOptional(),
    guest: guest.exactOptional(),
    metadata: texts.exactOptional(),
    files: z.array(file).exactOptional(),
    containers: z.array(container).exactOptional(),
    volumes: z.array(volume).exactOptional(),
    restart: restart.exactOptional(),
    auto_destroy: z.boolean().exactOptional(),
    stop_config: stop.exactOptional(),
    dns: dns.exactOptional(),
    mounts: z.array(mount).exactOptional(),
    services: kept,
    checks: kept,
    processes: kept,
    schedule: kept,
    standbys: kept,
    metrics: kept,
    statics: kept,
    rootfs: kept,
    cache_drive: kept,
    spot: kept,
    size: kept,
    disable_machine_autostart: kept,
  })
  .refine(
    ({ image = "", containers = [] }) => image !== "" || containers.length > 0,
    "needs an image or containers",
  )
  .refine(
    ({ containers = [] }) => new Set(containers.map((c) => c.name)).size === containers.length,
    {
      message: "names of containers must differ",
      path: ["containers"],
    },
  );

export const createBody = z.looseObject({
  name: name.exactOptional(),
  region: text.exactOptional(),
  config,
  skip_launch: z.boolean().exactOptional(),
  skip_service_registration: z.boolean().exactOptional(),
  skip_secrets: z.boolean().exactOptional(),
  min_secrets_version: kept,
  lease_ttl: z.number().exactOptional(),
  lsvd: kept,
});

export const updateBody = createBody.extend({
  current_version: text.exactOptional(),
  id: kept,
});

export const appBody = z.looseObject({
  name: text.exactOptional(),
  app_name: text.exactOptional(),
  org_slug: text.exactOptional(),
  network: text.exactOptional(),
  enable_subdomains: kept,
  app_role_id: kept,
});

export const assignIpBody = z.looseObject({
  type: z.enum(["v4", "v6", "shared_v4", "private_v6", "egress_v4", "egress_v6", "egress_pair"]),
  region: kept,
  org_slug: text.exactOptional(),
  network: text.exactOptional(),
  service_name: text.exactOptional(),
  ip: text.exactOptional(),
});

export const stopBody = z.looseObject({
  id: kept,
  signal: z.union([text, z.number()]).exactOptional(),
  timeout: duration.exactOptional(),
});

export const signalBody = z.looseObject({ signal: z.union([text, z.number().int()]) });

export const execBody = z.looseObject({
  command: strings.exactOptional(),
  cmd: text.exactOptional(),
  stdin: text.exactOptional(),
  timeout: z.number().exactOptional(),
  container: text.exactOptional(),
  machine: z.boolean().exactOptional(),
});

export const metadataBody = z.looseObject({
  metadata: z.record(text, text.nullable()),
  machine_version: text.exactOptional(),
  updated_at: kept,
});

export const metadataKeyBody = z.looseObject({ value: text, updated_at: kept });

export const leaseBody = z.looseObject({
  ttl: z.number().exactOptional(),
  description: text.exactOptional(),
});
