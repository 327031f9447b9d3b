/** The endpoints of IBM Autopilot. One collector replies for all of its nodes. */

import { answerCheck, answerStatus } from './check-endpoints.ts'
import { runIperf } from './iperf.ts'
import { runOnNode } from './node-reply.ts'
import { selectByQuery } from './query.ts'
import type { GatewayDeps, Request } from './request.ts'

/** Reads the query at once and yields the reply in parts. @throws QueryError */
type Route = (deps: GatewayDeps, request: Request) => AsyncGenerator<string>

const answerIperf: Route = (deps, { query, signal }) => {
  const selection = selectByQuery(query, deps.fleet.nodes())
  const report = runIperf(deps, query, selection, signal)
  query.throwIfInvalid()
  return report
}

/** The level of dcgm that needs idle GPUs. The agent skips it where they are not idle. */
const INVASIVE_LEVEL = 3

const answerInvasive: Route = (deps, { query }) => {
  const { nodes } = selectByQuery(query, deps.fleet.nodes())
  query.throwIfInvalid()
  return (async function* () {
    yield "Launching invasive health checks. Results will be added to 'autopilot.ibm.com/gpuhealth' and 'autopilot.ibm.com/dcgm.level.3' node labels\n"
    const requested = { level: INVASIVE_LEVEL, bw: deps.options.bw }
    deps.inBackground(async (signal) => {
      await Promise.all(nodes.map((node) => runOnNode(deps, node, ['dcgm'], requested, signal)))
    })
  })()
}

/** Routes by path. The first lines of the replies are as in Autopilot, some without an end of line. */
export const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/status', answerStatus],
  ['/iperf', answerIperf],
  ['/invasive', answerInvasive],
  ['/ping', answerCheck('ping', () => 'Ping test')],
  ['/pciebw', answerCheck('pciebw', ({ options }) => `Requesting pcie test with bw: ${options.bw}\n`)],
  ['/remapped', answerCheck('remapped', () => 'Requesting Remapped Rows check on all GPUs\n')],
  ['/dcgm', answerCheck('dcgm', () => 'DCGM test')],
  ['/gpumem', answerCheck('gpumem', () => 'GPU Memory DGEMM+DAXPY test')],
  ['/gpupower', answerCheck('gpupower', () => 'GPU Power Measurement test')],
  ['/pvc', answerCheck('pvc', () => 'PVC create-delete test\n')],
])
