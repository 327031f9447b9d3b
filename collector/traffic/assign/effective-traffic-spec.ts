import { IperfOptions } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { TrafficSpec } from '#proto/meshgauge/collector/v1/traffic.ts'
import { toDuration } from '../../../lib/protobuf-time.ts'
import { IPERF_DEFAULTS } from '../../../lib/test-defaults.ts'
import { effectiveIperfOptions } from '../../plan/effective-run-spec.ts'

const DEFAULT_INTERVAL_SECONDS = 5

/** The spec with all defaults filled in. An effective spec stays as it is. */
export const effectiveTrafficSpec = (spec: TrafficSpec): TrafficSpec => ({
  ...spec,
  options: effectiveIperfOptions(IPERF_DEFAULTS.engine, spec.options ?? IperfOptions.fromPartial({})),
  interval: spec.interval ?? toDuration(DEFAULT_INTERVAL_SECONDS),
})
