import { isIP } from 'node:net'
import { z } from 'zod'
import { CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { formatRatio, parseDuration } from '../../lib/units.ts'
import type { PingProbe } from '../engines/engine.ts'
import { type CheckDeps, defineCheck } from './check.ts'

const duration = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, 'not a duration; write 500ms or 2s')
  .transform((text) => parseDuration(text)!)

const target = z
  .string()
  .refine((text) => isIP(text.split('%')[0]!) !== 0, 'not an address, or address%interface')
  .transform((text) => ({ address: text.split('%')[0]!, interface: text.split('%')[1] ?? '' }))

const parameters = z.strictObject({
  targets: z.array(target).min(1, 'at least one target is needed'),
  count: z.int().min(1).max(100).default(3),
  interval: duration.default(0.2),
  timeout: duration.default(1),
  engine: z.string().default(''),
})

type Parameters = z.output<typeof parameters>

/** Probes the targets of one interface and says what came back. */
const probe = async (
  deps: CheckDeps,
  request: Parameters,
  name: string,
  signal: AbortSignal,
): Promise<Evidence[]> => {
  const targets = request.targets.filter((candidate) => candidate.interface === name)
  const { engine } = await deps.engines.ping(request.engine, signal)
  const message = PingRequest.fromPartial({
    targets: targets.map(({ address }) => ({ address })),
    interface: name,
    count: request.count,
    interval: toDuration(request.interval),
    timeout: toDuration(request.timeout),
  })
  const source = { interface: name, addresses: deps.interfaces.addressesOf(name) }
  const probes: PingProbe[] = []
  for await (const answer of engine.ping(message, source, signal)) probes.push(answer)
  return targets.map(({ address }, index) => {
    const own = probes.filter(({ targetIndex }) => targetIndex === index)
    const answered = own.filter(({ rttSeconds }) => rttSeconds !== undefined).length
    const loss = own.length === 0 ? 1 : 1 - answered / own.length
    const status =
      loss === 0
        ? CheckStatus.CHECK_STATUS_PASS
        : answered > 0
          ? CheckStatus.CHECK_STATUS_WARN
          : CheckStatus.CHECK_STATUS_FAIL
    return {
      subject: name ? `${address}%${name}` : address,
      name: 'loss',
      value: loss,
      unit: 'ratio',
      status,
    }
  })
}

export const reachability = defineCheck({
  name: 'reachability',
  summary: 'Every target answers a few pings on its interface.',
  invasive: false,
  budgetSeconds: 60,
  parameters,
  requirements: async ({ engines }, signal) => {
    const pings = (await engines.list(signal)).filter(({ test }) => test === 'ping')
    return pings.some(({ available }) => available)
      ? []
      : pings.flatMap(({ name, reasons }) => `${name}: ${reasons.join(', ')}`)
  },
  run: async (deps, request, signal) => {
    const names = [...new Set(request.targets.map((candidate) => candidate.interface))]
    const evidence = (await Promise.all(names.map((name) => probe(deps, request, name, signal)))).flat()
    const reasons = evidence
      .filter(({ status }) => status !== CheckStatus.CHECK_STATUS_PASS)
      .map(({ subject, value }) =>
        value === 1 ? `${subject} does not answer` : `${subject} loses ${formatRatio(Number(value))}`,
      )
    return { evidence, reasons }
  },
})
