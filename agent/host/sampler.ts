import { HostSample } from '#proto/meshgauge/agent/v1/host.ts'
import type { Clock } from '../../lib/clock.ts'
import { formatBytes } from '../../lib/units.ts'
import type { ReadText } from './files.ts'
import { type HostReading, readHost, sampleBetween } from './sample.ts'

/** Maximum size of the samples: those of both endpoints and of PCP fit into one message of at most 16 MiB. */
const MAX_BYTES = 2 * 1024 * 1024

/** Samples the host from its creation until `end`. */
export type Sampler = {
  /** Returns the samples since the last call. */
  take(): HostSample[]
  /** Why sampling ended before the test; empty otherwise. */
  problem(): string
  /** Takes the last sample, of the time since the one before it, so that all samples cover the whole time. */
  end(): Promise<void>
}

type SamplerDeps = { clock: Clock; read: ReadText }

export const createSampler = (
  { clock, read }: SamplerDeps,
  { intervalSeconds, interfaces }: { intervalSeconds: number; interfaces: readonly string[] },
): Sampler => {
  const ending = new AbortController()
  let samples: HostSample[] = []
  let bytes = 0
  let problem = ''
  const reading = (): HostReading =>
    readHost(read, { time: clock.now(), monotonicSeconds: clock.monotonicSeconds() })
  let before = reading()
  const startSeconds = before.monotonicSeconds

  const add = () => {
    const after = reading()
    if (problem || after.monotonicSeconds <= before.monotonicSeconds) return
    const sample = sampleBetween(before, after, interfaces)
    before = after
    bytes += HostSample.encode(sample).finish().length
    if (bytes <= MAX_BYTES) samples.push(sample)
    else problem = `sampling ended after ${formatBytes(MAX_BYTES)} of samples; request a longer interval`
  }
  const sampling = (async () => {
    for (let count = 1; !problem; count++) {
      // Relative to the start, so that delays do not add up.
      const wait = startSeconds + count * intervalSeconds - clock.monotonicSeconds()
      if (wait <= 0) continue
      await clock.sleep(wait, ending.signal)
      add()
    }
  })().catch((error: unknown) => {
    if (!ending.signal.aborted) throw error
  })

  return {
    take: () => {
      const taken = samples
      samples = []
      return taken
    },
    problem: () => problem,
    end: async () => {
      if (ending.signal.aborted) return
      ending.abort()
      await sampling
      add()
    },
  }
}
