import { HostSamples, type HostSampling, HostSource } from '#proto/meshgauge/agent/v1/host.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Violation } from '../../lib/errors.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { HOST_SAMPLING_DEFAULTS } from '../../lib/test-defaults.ts'
import type { Interfaces } from '../interfaces.ts'
import type { Processes } from '../processes.ts'
import type { ReadText } from './files.ts'
import { type PcpOutcome, type PcpRecording, startPcp } from './pcp.ts'
import { createSampler } from './sampler.ts'

/** Ten ticks of the kernel's accounting, below which samples are too coarse. */
const MIN_INTERVAL_SECONDS = 0.1

/** Samples the host for one stream. */
export type HostSamplingSession = {
  /** Returns the samples since the last call; undefined when there are none. */
  take(): HostSamples | undefined
  /** Ends sampling and returns the remaining samples; undefined when there are none. */
  end(): Promise<HostSamples | undefined>
  /** Ends the programs that it started; call this however the stream ends. */
  close(): Promise<void>
}

/** Opens a host sampling session for each stream that requests one. */
export type HostSamplingSessions = {
  /** Returns the violations of a request for samples. */
  violations(sampling: HostSampling | undefined): Violation[]
  /** Resolves when sampling has started. Without a request, the session has no samples. */
  begin(sampling: HostSampling | undefined, signal: AbortSignal): Promise<HostSamplingSession>
}

type Deps = { clock: Clock; processes: Processes; interfaces: Interfaces; read: ReadText }

const violations: HostSamplingSessions['violations'] = (sampling) => {
  const seconds = fromDuration(sampling?.interval) ?? HOST_SAMPLING_DEFAULTS.intervalSeconds
  if (seconds >= MIN_INTERVAL_SECONDS) return []
  const description = `${seconds} s is too short; at least ${MIN_INTERVAL_SECONDS} s`
  return [{ field: 'host_sampling.interval', description }]
}

const NO_SAMPLING_SESSION: HostSamplingSession = {
  take: () => undefined,
  end: async () => undefined,
  close: async () => undefined,
}

const isEmpty = ({ samples, pcpJson, pcpProblem, problem }: HostSamples): boolean =>
  samples.length === 0 && pcpJson === '' && pcpProblem === '' && problem === ''

/** A failure of PCP is reported instead of its samples; it never fails the test. */
const beginPcp = async (deps: Deps, options: Parameters<typeof startPcp>[1]): Promise<PcpRecording> =>
  startPcp(deps, options).catch((error: Error): PcpRecording => {
    options.signal.throwIfAborted()
    const outcome: PcpOutcome = { json: '', problem: error.message }
    return { finish: async () => outcome, close: async () => undefined }
  })

export const createHostSamplingSessions = (
  deps: Deps,
  programs: Readonly<Record<string, string>>,
): HostSamplingSessions => ({
  violations,
  begin: async (sampling, signal) => {
    if (!sampling) return NO_SAMPLING_SESSION
    const intervalSeconds = fromDuration(sampling.interval) ?? HOST_SAMPLING_DEFAULTS.intervalSeconds
    const pcp =
      sampling.source === HostSource.HOST_SOURCE_PCP
        ? await beginPcp(deps, { conf: programs['pcp.conf'], intervalSeconds, signal })
        : undefined
    const interfaces = deps.interfaces.list().map(({ name }) => name)
    const sampler = createSampler(deps, { intervalSeconds, interfaces })
    return {
      take: () => {
        const samples = sampler.take()
        return samples.length > 0 ? HostSamples.fromPartial({ samples }) : undefined
      },
      end: async () => {
        await sampler.end()
        const { json = '', problem = '' } = (await pcp?.finish()) ?? {}
        const rest = HostSamples.fromPartial({
          samples: sampler.take(),
          pcpJson: json,
          pcpProblem: problem,
          problem: sampler.problem(),
        })
        return isEmpty(rest) ? undefined : rest
      },
      close: async () => {
        await sampler.end()
        await pcp?.close()
      },
    }
  },
})
