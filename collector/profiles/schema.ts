/** The keys of a profile and their values. review.ts checks across keys. */

import { z } from 'zod'
import { ENGINES } from '../../lib/engines.ts'
import { EXPECTATION_NAMES, type ExpectationName, parseLimit } from '../../lib/expectations.ts'
import { durationHint, parseBitrate, parseBytes, parseDuration } from '../../lib/units.ts'
import { type TopologyName, topologies } from '../topology/registry.ts'

/** Text or a number that `read` converts. When `read` returns undefined, the value is refused with a hint. */
const quantity = (
  words: string,
  read: (value: string | number) => number | undefined,
  hint: (value: string) => string = () => words,
) =>
  z
    .union([z.string(), z.number()], { error: `must be ${words}` })
    .transform((value, context) => {
      const result = read(value)
      if (result !== undefined) return result
      context.addIssue({ code: 'custom', message: `"${value}" is not ${hint(String(value))}` })
      return z.NEVER
    })
    .optional()

/** A duration in seconds. A bare number is seconds, as in netperf-orchestrate's profiles. */
const duration = (least = 0) =>
  quantity(
    'a duration; write 500ms, 10s or 5m',
    (value) => {
      const seconds = typeof value === 'number' ? value : parseDuration(value)
      return seconds !== undefined && Number.isFinite(seconds) && seconds >= least ? seconds : undefined
    },
    (value) => `a duration; ${durationHint(value)}`,
  )

const bitrate = quantity('a bitrate; write 10G, 50M or "0" for unlimited', (value) =>
  typeof value === 'string' ? parseBitrate(value) : undefined,
)

/** A size in bytes. A bare number is bytes. */
const size = (most: number) =>
  quantity(`a size of 1 byte to ${most}; write 1400, 64K or 1M`, (value) => {
    const bytes = typeof value === 'number' ? value : parseBytes(value)
    return bytes !== undefined && Number.isInteger(bytes) && bytes >= 1 && bytes <= most ? bytes : undefined
  })

const integer = (least: number, most: number) =>
  z
    .number()
    .refine((value) => Number.isInteger(value) && value >= least && value <= most, {
      error: `must be a whole number from ${least} to ${most}`,
    })
    .optional()

const choice = <const C extends readonly [string, ...string[]]>(choices: C) =>
  z.enum(choices, { error: `must be one of ${choices.join(', ')}` }).optional()

const words = z.array(z.string().min(1)).optional()
const flag = z.boolean().optional()
/** A key of netperf-orchestrate's profiles without effect, accepted so that such a file can be used unchanged. */
const noEffect = z.unknown().optional()

const limitOf = (name: ExpectationName) =>
  z
    .union([z.string(), z.number()], { error: 'must be a limit with its unit' })
    .transform((value, context) => {
      const read = parseLimit(name, value)
      if ('limit' in read) return read.limit
      context.addIssue({ code: 'custom', message: read.problem })
      return z.NEVER
    })
    .optional()

const expectations = z
  .strictObject(Object.fromEntries(EXPECTATION_NAMES.map((name) => [name, limitOf(name)])))
  .default({})

const MAX_UINT32 = 2 ** 32 - 1
const MAX_BUFFER_BYTES = 512 * 1024 * 1024
/** Maximum number of tests of a profile. */
const MAX_TESTS = 100

/** Settings of a test. `global` has the defaults for all tests. */
const settings = {
  topology: choice(Object.keys(topologies) as [TopologyName, ...TopologyName[]]),
  nodes: words,
  clients: words,
  servers: words,
  center: z.string().min(1).optional(),
  shifts: integer(1, 1_000_000),
  seed: integer(0, MAX_UINT32),
  pairs: z
    .array(z.string().regex(/^[^\s:]+:[^\s:]+$/, 'must be a pair; write source:destination'))
    .optional(),
  interfaces: words,
  node_cap: integer(1, 1_000_000),
  uplink_cap: integer(1, 1_000_000),
  total_cap: integer(1, 1_000_000_000),
  exclusive_nodes: flag,
  duration: duration(0.001),
  warmup: duration(),
  cooldown: duration(),
  interval: duration(0.001),
}

const test = z.strictObject({
  name: z.string().min(1),
  description: z.string().default(''),
  test: choice(['ping', 'iperf']),
  engine: choice([...ENGINES.ping, ...ENGINES.iperf]),
  ...settings,
  protocol: choice(['tcp', 'udp']),
  direction: choice(['send', 'recv', 'stream', 'maerts', 'bidir', 'rr']),
  instances: integer(1, 128),
  bitrate,
  message_size: size(MAX_BUFFER_BYTES),
  socket_size: size(MAX_BUFFER_BYTES),
  mss: integer(88, 9216),
  no_delay: flag,
  congestion: z
    .string()
    .regex(/^[a-z0-9_]{1,15}$/, 'must be the name of an algorithm such as cubic or bbr')
    .optional(),
  tos: integer(0, 255),
  dscp: integer(0, 63),
  zerocopy: flag,
  family: integer(4, 6),
  client_cpu: integer(0, 1024),
  server_cpu: integer(0, 1024),
  request_size: size(MAX_BUFFER_BYTES),
  response_size: size(MAX_BUFFER_BYTES),
  burst: integer(1, 65_536),
  connection: flag,
  netperf_arguments: words,
  count: integer(1, 1_000_000),
  size: size(65_507),
  timeout: duration(0.001),
  dont_fragment: flag,
  ttl: integer(1, 255),
  expectations,
  output_format: noEffect,
  cpu_affinity: noEffect,
  stagger_start: noEffect,
  retry_on_error: noEffect,
})

/** A single test outside a profile. */
export const runSchema = test
  .omit({ description: true, cooldown: true })
  .extend({ name: z.string().default('') })

export const profileSchema = z.strictObject({
  name: z.string().min(1),
  description: z.string().default(''),
  version: z
    .union([z.string(), z.number()], { error: 'must be text such as "1.0"' })
    .transform(String)
    .default(''),
  global: z
    .strictObject({
      ...settings,
      output_format: noEffect,
      interval_reporting: noEffect,
      continue_on_error: noEffect,
      retry_on_error: noEffect,
      error_tolerance: noEffect,
    })
    .default({}),
  tests: z.array(test).min(1, 'at least one test is needed').max(MAX_TESTS, `at most ${MAX_TESTS} tests`),
  expectations,
  category: noEffect,
  tags: noEffect,
  analysis: noEffect,
})

export type ProfileFile = z.output<typeof profileSchema>
export type ProfileTest = ProfileFile['tests'][number]
