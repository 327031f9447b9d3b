/** The events that iperf3 3.17 and later write with --json-stream, one on each line. */

import { z } from 'zod'
import { plausible } from '../../plausibility.ts'
import { figureOf, type Parts, ratioOf } from './figure.ts'
import type { Figures, IperfOutput, OutputParser, Sample } from './output-events.ts'

/** A number whose limits are in the table of plausible values; iperf3 also writes null where it has none. */
const figure = z.unknown()

const interval = z.object({
  start: figure,
  end: figure,
  bytes: figure,
  bits_per_second: figure,
  retransmits: figure.optional(),
  omitted: z.boolean(),
})

const total = z.object({
  start: figure,
  end: figure,
  bytes: figure,
  bits_per_second: figure,
  retransmits: figure.optional(),
  jitter_ms: figure.optional(),
  lost_packets: figure.optional(),
  packets: figure.optional(),
})

const event = z.discriminatedUnion('event', [
  z.object({ event: z.literal('start'), data: z.object({ connected: z.array(z.unknown()) }) }),
  z.object({
    event: z.literal('interval'),
    data: z.object({ sum: interval, sum_bidir_reverse: interval.optional() }),
  }),
  z.object({
    event: z.literal('end'),
    data: z.object({
      sum_sent: total.optional(),
      sum_received: total.optional(),
      sum_received_bidir_reverse: total.optional(),
      cpu_utilization_percent: z.object({ host_total: figure, remote_total: figure }).optional(),
    }),
  }),
  z.object({ event: z.literal('error'), data: z.string() }),
  // The output of the server, with --get-server-output, which is never set.
  z.object({ event: z.enum(['server_output_text', 'server_output_json']), data: z.unknown() }),
])

const partsOf = (sum: z.infer<typeof interval>): Parts => {
  const start = plausible('iperf3.time', sum.start)
  const end = plausible('iperf3.time', sum.end)
  return {
    seconds: start === undefined || end === undefined ? undefined : end - start,
    bitsPerSecond: plausible('iperf3.rate', sum.bits_per_second),
    bytes: plausible('iperf3.bytes', sum.bytes),
  }
}

/** An interval with an impossible figure is left out. */
const sampleOf = (sum: z.infer<typeof interval>, reverse: boolean): IperfOutput[] => {
  const figures = figureOf(partsOf(sum))
  if (!figures) return []
  const sample: Sample = {
    startSeconds: plausible('iperf3.time', sum.start)!,
    endSeconds: plausible('iperf3.time', sum.end)!,
    bitsPerSecond: figures.bitsPerSecond,
    bytes: figures.bytes,
    retransmits: plausible('iperf3.retransmits', sum.retransmits),
    omitted: sum.omitted,
    reverse,
  }
  return [{ kind: 'sample', sample }]
}

const totalOf = (sum: z.infer<typeof total>) => {
  const core = figureOf(partsOf({ ...sum, omitted: false }))
  const jitter = plausible('iperf3.jitter', sum.jitter_ms)
  return (
    core && {
      ...core,
      retransmits: plausible('iperf3.retransmits', sum.retransmits),
      jitterSeconds: jitter === undefined ? undefined : jitter / 1000,
      lossRatio: ratioOf(sum.lost_packets, sum.packets),
    }
  )
}

/** iperf3 writes `nan` and `inf` for a division by zero, which JSON does not have. */
const NOT_JSON = /(:\s*)[+-]?(?:nan|inf(?:inity)?)(?=\s*[,}\]])/gi

const parse = (line: string): z.infer<typeof event> | undefined => {
  try {
    return event.parse(JSON.parse(line.replace(NOT_JSON, '$1null')))
  } catch {
    // Neither JSON nor an event: the caller reports the line.
    return undefined
  }
}

type EndData = Extract<z.infer<typeof event>, { event: 'end' }>['data']

const figuresOf = ({
  sum_sent,
  sum_received,
  sum_received_bidir_reverse: back,
  cpu_utilization_percent: cpu,
}: EndData): Figures => {
  const ends = { sender: sum_sent, receiver: sum_received, reverseReceiver: back }
  const figures: Figures = {}
  for (const end of ['sender', 'receiver', 'reverseReceiver'] as const) {
    const sum = ends[end]
    if (!sum) continue
    const found = totalOf(sum)
    if (found) figures[end] = found
    else figures.impossible ??= `${end} ${JSON.stringify(sum)}`
  }
  const local = plausible('iperf3.cpu', cpu?.host_total)
  const remote = plausible('iperf3.cpu', cpu?.remote_total)
  if (local !== undefined) figures.localCpuRatio = local / 100
  if (remote !== undefined) figures.remoteCpuRatio = remote / 100
  return figures
}

const read = (parsed: z.infer<typeof event>): IperfOutput[] => {
  switch (parsed.event) {
    case 'start':
      return parsed.data.connected.length > 0 ? [{ kind: 'began' }] : []
    case 'interval': {
      const { sum, sum_bidir_reverse: back } = parsed.data
      return [...sampleOf(sum, false), ...(back ? sampleOf(back, true) : [])]
    }
    case 'error':
      return [{ kind: 'error', text: parsed.data }]
    case 'end':
      return [{ kind: 'summary', figures: figuresOf(parsed.data) }]
    default:
      return []
  }
}

export const createJsonParser = (): OutputParser => ({
  push: (line) => {
    const parsed = parse(line)
    return parsed ? read(parsed) : [{ kind: 'unknown', text: line }]
  },
})
