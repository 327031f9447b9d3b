import { z } from 'zod'

/** The part of the Compose specification that our files use. It refuses unknown keys, as docker compose does. */

const probe = z.strictObject({
  test: z.array(z.string()).min(2),
  interval: z.string().regex(/^\d+s$/),
  timeout: z.string().regex(/^\d+s$/),
  retries: z.int(),
  start_period: z.string().regex(/^\d+s$/),
})

const serviceNetwork = z.strictObject({ ipv4_address: z.string().optional(), priority: z.int().optional() })

const service = z.strictObject({
  image: z.string().optional(),
  build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  networks: z.union([z.array(z.string()), z.record(z.string(), serviceNetwork)]).optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.tuple([z.literal('ALL')]).optional(),
  cap_add: z.array(z.literal('NET_RAW')).optional(),
  security_opt: z.array(z.literal('no-new-privileges:true')).optional(),
  healthcheck: probe.optional(),
  depends_on: z
    .record(z.string(), z.strictObject({ condition: z.enum(['service_started', 'service_healthy']) }))
    .optional(),
  stop_grace_period: z.string().optional(),
  restart: z.literal('unless-stopped').optional(),
})

export const composeFile = z.strictObject({
  name: z.string().optional(),
  'x-agent': z.unknown().optional(),
  services: z.record(z.string(), service),
  networks: z
    .record(
      z.string(),
      z.strictObject({
        ipam: z.strictObject({ config: z.array(z.strictObject({ subnet: z.string() })) }).optional(),
      }),
    )
    .optional(),
  volumes: z.record(z.string(), z.strictObject({})).optional(),
})

export type Service = z.output<typeof service>
