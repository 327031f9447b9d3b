/** The endpoints of IBM Autopilot, answered by this collector for all of its nodes. */

import { runIperf } from './iperf.ts'
import { runOnNode } from './local.ts'
import { selectByQuery } from './query.ts'
import type { GatewayDeps, Request } from './request.ts'
import { answerCheck, answerStatus } from './status.ts'

/** Reads the query at once, throwing QueryError, and gives the text as it comes. */
type Route = (deps: GatewayDeps, request: Request) => AsyncGenerator<string>

const answerIperf: Route = (deps, { query, signal }) => {
  const selection = selectByQuery(query, deps.fleet.nodes())
  const report = runIperf(deps, query, selection, signal)
  query.throwIfWrong()
  return report
}

/** The level of dcgm that needs idle GPUs; the agent skips it where they are not. */
const INVASIVE_LEVEL = 3

const answerInvasive: Route = (deps, { query }) => {
  const { nodes } = selectByQuery(query, deps.fleet.nodes())
  query.throwIfWrong()
  return (async function* () {
    yield "Launching invasive health checks. Results will be added to 'autopilot.ibm.com/gpuhealth' and 'autopilot.ibm.com/dcgm.level.3' node labels\n"
    const asked = { level: INVASIVE_LEVEL, bw: deps.options.bw }
    deps.inBackground(async (signal) => {
      await Promise.all(nodes.map((node) => runOnNode(deps, node, ['dcgm'], asked, signal)))
    })
  })()
}

/** The headers are what the old handlers wrote, some without an end of line. */
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
