import type { IperfServiceImplementation } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { AgentOptions } from '../options.ts'
import type { IperfDeps } from './iperf-end.ts'
import { run } from './iperf-run.ts'
import { serve } from './iperf-serve.ts'
import { runSustained } from './sustained-run.ts'
import { serveSustained } from './sustained-serve.ts'

export const createIperfService = (deps: IperfDeps, options: AgentOptions): IperfServiceImplementation => ({
  serve: (request, context) => (request.sustained ? serveSustained : serve)(deps, options, request, context),
  run: (request, context) => (request.sustained ? runSustained : run)(deps, options, request, context),
})
