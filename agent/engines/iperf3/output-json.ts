/** The events that iperf3 3.17 and later write with --json-stream, one on each line. */

import { z } from 'zod'
import type { Figure, Figures, IperfOutput, OutputParser, Sample } from './output-events.ts'

const count = z.number().nonnegative()

const interval = z.object({
  start: count,
  end: count,
  bytes: count,
  bits_per_second: count,
  retransmits: z.number().optional(),
  omitted: z.boolean(),
})

const total = z.object({
  start: count,
  end: count,
  bytes: count,
  bits_per_second: count,
  retransmits: z.number().optional(),
  jitter_ms: z.number().optional(),
  lost_packets: z.number().optional(),
  packets: z.number().optional(),
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
      cpu_utilization_percent: z.object({ host_total: z.number(), remote_total: z.number() }).optional(),
    }),
  }),
  z.object({ event: z.literal('error'), data: z.string() }),
  // The output of the server, with --get-server-output, which is never set.
  z.object({ event: z.enum(['server_output_text', 'server_output_json']), data: z.unknown() }),
])

const sampleOf = (sum: z.infer<typeof interval>, reverse: boolean): IperfOutput => {
  const sample: Sample = {
    startSeconds: sum.start,
    endSeconds: sum.end,
    bitsPerSecond: Math.round(sum.bits_per_second),
    bytes: sum.bytes,
    retransmits: sum.retransmits,
    omitted: sum.omitted,
    reverse,
  }
  return { kind: 'sample', sample }
}

const figureOf = (sum: z.infer<typeof total>): Figure => ({
  seconds: sum.end - sum.start,
  bitsPerSecond: Math.round(sum.bits_per_second),
  bytes: sum.bytes,
  retransmits: sum.retransmits,
  jitterSeconds: sum.jitter_ms === undefined ? undefined : sum.jitter_ms / 1000,
  lossRatio: sum.packets ? Math.max(0, sum.lost_packets ?? 0) / sum.packets : undefined,
})

const parse = (line: string): z.infer<typeof event> | undefined => {
  try {
    return event.parse(JSON.parse(line))
  } catch {
    // Neither JSON nor an event: the caller reports the line.
    return undefined
  }
}

const read = (parsed: z.infer<typeof event>): IperfOutput[] => {
  switch (parsed.event) {
    case 'start':
      return parsed.data.connected.length > 0 ? [{ kind: 'began' }] : []
    case 'interval': {
      const { sum, sum_bidir_reverse: back } = parsed.data
      return back ? [sampleOf(sum, false), sampleOf(back, true)] : [sampleOf(sum, false)]
    }
    case 'error':
      return [{ kind: 'error', text: parsed.data }]
    case 'end': {
      const {
        sum_sent,
        sum_received,
        sum_received_bidir_reverse: back,
        cpu_utilization_percent: cpu,
      } = parsed.data
      const figures: Figures = {
        ...(sum_sent && { sender: figureOf(sum_sent) }),
        ...(sum_received && { receiver: figureOf(sum_received) }),
        ...(back && { reverseReceiver: figureOf(back) }),
        ...(cpu && { localCpuRatio: cpu.host_total / 100, remoteCpuRatio: cpu.remote_total / 100 }),
      }
      return [{ kind: 'summary', figures }]
    }
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
