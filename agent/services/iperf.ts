import type { IperfServiceImplementation } from '#proto/meshgauge/agent/v1/iperf.ts'
import type { AgentOptions } from '../options.ts'
import type { IperfDeps } from './iperf/endpoint.ts'
import { handleRun } from './iperf/run.ts'
import { handleServe } from './iperf/serve.ts'

/** Serves IperfService: Serve is the receiving endpoint of a test, Run the sending one. */
export const createIperfService = (deps: IperfDeps, options: AgentOptions): IperfServiceImplementation => ({
  serve: (request, context) => handleServe(deps, options, request, context),
  run: (request, context) => handleRun(deps, options, request, context),
})
