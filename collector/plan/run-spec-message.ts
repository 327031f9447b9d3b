/** Converts run specs from and to their messages. */

import type { HostSampling as HostSamplingMessage } from '#proto/meshgauge/agent/v1/host.ts'
import { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type {
  IperfTest as IperfTestMessage,
  PingTest as PingTestMessage,
  RunSpec as RunSpecMessage,
} from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'
import { createIperfTest, createPingTest, createRunSpec } from './effective-run-spec.ts'
import {
  type HostSampling,
  type IperfTest,
  type PingTest,
  type RequestedRunSpec,
  type RunSpec,
  type RunTest,
  reviewedRunSpec,
} from './run-spec.ts'

const durationOf = (seconds: number | undefined) => (seconds === undefined ? undefined : toDuration(seconds))

const pingTestOf = ({ interval, timeout, ...stated }: PingTestMessage): PingTest =>
  createPingTest({
    ...stated,
    intervalSeconds: fromDuration(interval),
    timeoutSeconds: fromDuration(timeout),
  })

const iperfTestOf = (message: IperfTestMessage): IperfTest => {
  const { duration, omit, interval, ...options } = message.options ?? IperfOptions.fromPartial({})
  return createIperfTest({
    ...options,
    engine: message.engine,
    ports: message.ports,
    durationSeconds: fromDuration(duration),
    omitSeconds: fromDuration(omit),
    intervalSeconds: fromDuration(interval),
  })
}

const testOf = (test: RunSpecMessage['test']): RunTest | undefined => {
  if (test?.$case === 'ping') return pingTestOf(test.value)
  return test && iperfTestOf(test.value)
}

/** Reads the spec of a request, and fills in the defaults. */
export const requestedRunSpecOf = ({ test, hostSampling, ...stated }: RunSpecMessage): RequestedRunSpec =>
  createRunSpec({
    ...stated,
    test: testOf(test),
    hostSampling: hostSampling && {
      intervalSeconds: fromDuration(hostSampling.interval),
      source: hostSampling.source,
    },
  })

/** Reads a stored spec. @throws Error when it has no test */
export const runSpecOf = (message: RunSpecMessage): RunSpec => reviewedRunSpec(requestedRunSpecOf(message))

export const pingTestMessage = (test: PingTest): PingTestMessage => {
  const { kind, intervalSeconds, timeoutSeconds, ...others } = test
  return { ...others, interval: toDuration(intervalSeconds), timeout: toDuration(timeoutSeconds) }
}

export const iperfOptionsMessage = (test: IperfTest): IperfOptions => {
  const { kind, engine, ports, durationSeconds, omitSeconds, intervalSeconds, ...options } = test
  return {
    ...options,
    duration: durationOf(durationSeconds),
    omit: durationOf(omitSeconds),
    interval: toDuration(intervalSeconds),
  }
}

export const hostSamplingMessage = (sampling: HostSampling): HostSamplingMessage => ({
  interval: toDuration(sampling.intervalSeconds),
  source: sampling.source,
})

const testMessage = (test: RunTest | undefined): RunSpecMessage['test'] => {
  if (test?.kind === 'ping') return { $case: 'ping', value: pingTestMessage(test) }
  if (test === undefined) return undefined
  const value = { engine: test.engine, options: iperfOptionsMessage(test), ports: test.ports }
  return { $case: 'iperf', value }
}

export const runSpecMessage = ({ test, hostSampling, ...others }: RequestedRunSpec): RunSpecMessage => ({
  ...others,
  test: testMessage(test),
  hostSampling: hostSampling && hostSamplingMessage(hostSampling),
})
