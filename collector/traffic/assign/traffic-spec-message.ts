/** Converts specs of traffic from and to their messages. */

import { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Topology } from '#proto/meshgauge/collector/v1/run.ts'
import type { TrafficSpec as TrafficSpecMessage } from '#proto/meshgauge/collector/v1/traffic.ts'
import { fromDuration, toDuration } from '../../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../../lib/test-defaults.ts'
import { effectiveIperfOptions } from '../../plan/effective-run-spec.ts'
import type { TrafficOptions, TrafficSpec } from './traffic-spec.ts'

const DEFAULT_INTERVAL_SECONDS = 5

const durationOf = (seconds: number | undefined) => (seconds === undefined ? undefined : toDuration(seconds))

const optionsOf = (message: IperfOptions): TrafficOptions => {
  const { duration, omit, interval, ...options } = message
  return {
    ...effectiveIperfOptions(IPERF_DEFAULTS.engine, options),
    durationSeconds: fromDuration(duration),
    omitSeconds: fromDuration(omit),
  }
}

/** The options for the agents, which sample at the interval of the traffic. */
export const trafficOptionsMessage = (options: TrafficOptions): Omit<IperfOptions, 'interval'> => {
  const { durationSeconds, omitSeconds, ...others } = options
  return { ...others, duration: durationOf(durationSeconds), omit: durationOf(omitSeconds) }
}

/** Reads the spec of a request, and fills in the defaults. */
export const trafficSpecOf = ({
  interval,
  options,
  topology,
  ...stated
}: TrafficSpecMessage): TrafficSpec => ({
  ...stated,
  ports: stated.ports,
  topology: topology ?? Topology.fromPartial({}),
  options: optionsOf(options ?? IperfOptions.fromPartial({})),
  intervalSeconds: fromDuration(interval) ?? DEFAULT_INTERVAL_SECONDS,
})

export const trafficSpecMessage = ({
  intervalSeconds,
  options,
  ...others
}: TrafficSpec): TrafficSpecMessage => ({
  ...others,
  options: { ...trafficOptionsMessage(options), interval: undefined },
  interval: toDuration(intervalSeconds),
})
