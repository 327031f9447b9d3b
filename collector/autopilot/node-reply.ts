import { type CheckResult, CheckStatus } from '#proto/meshgauge/agent/v1/check.ts'
import type { Clock } from '../../lib/clock.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/logging.ts'
import type { Health } from '../health/health.ts'
import type { FleetNode } from '../inventory/node.ts'
import { isReady } from '../inventory/selectors.ts'
import type { AutopilotCheck, RequestParameters } from './check.ts'
import { AUTOPILOT_CHECKS } from './checks.ts'

export type LocalDeps = { clock: Clock; logger: Logger; health: Pick<Health, 'run'> }

/** Autopilot's reply for a node that it cannot reach. */
const DISCONNECTED = 'Server Disconnected. ABORT'

const errorResult = (check: string, error: OperatingError): CheckResult => ({
  check,
  status: CheckStatus.CHECK_STATUS_ERROR,
  reasons: [error.message],
  evidence: [],
  rawOutput: '',
  startTime: undefined,
  duration: undefined,
})

const runOne = async (
  { health }: LocalDeps,
  node: FleetNode,
  check: AutopilotCheck,
  requested: RequestParameters,
  signal: AbortSignal,
): Promise<CheckResult> => {
  const request = { nodes: [node.name], checks: [check.name], parameters: check.parameters(requested) }
  try {
    for await (const { result } of health.run(request, signal)) return result
    throw new Error(`${check.name} on ${node.name} had no result`)
  } catch (error) {
    if (error instanceof OperatingError) return errorResult(check.name, error)
    throw error
  }
}

/** Runs checks on one node one after the other. Returns the text of Autopilot's daemon for that node. */
export const runOnNode = async (
  deps: LocalDeps,
  node: FleetNode,
  names: readonly string[],
  requested: RequestParameters,
  signal: AbortSignal,
): Promise<string> => {
  if (!isReady(node)) return DISCONNECTED
  const start = deps.clock.monotonicSeconds()
  let reply = ''
  for (const name of names) {
    // Some texts do not end in a newline. The text of the next check starts on a new line.
    if (reply !== '' && !reply.endsWith('\n')) reply += '\n'
    const check = AUTOPILOT_CHECKS.get(name)
    if (!check) {
      reply += `check not supported: ${name}`
      continue
    }
    const result = await runOne(deps, node, check, requested, signal)
    reply += check.text(node.name, result)
    for (const line of check.log(node.name, result, requested)) deps.logger.info({ node: node.name }, line)
  }
  const seconds = deps.clock.monotonicSeconds() - start
  deps.logger.info({ node: node.name }, `Total time (s) for all checks: ${seconds}`)
  return reply
}

const FAILURES: readonly [string, string][] = [
  ['PCIE', 'PCIE Failed'],
  ['REMAPPED ROWS', 'REMAPPED ROWS Failed'],
  ['DCGM', 'DCGM Failed'],
  ['GPU POWER', 'GPU POWER Failed'],
  ['PING', 'PING Failed'],
  ['GPU-MEM', 'GPU MEM Test Failed'],
  ['PVC', 'PVC Create-Delete Test Failed'],
  ['Disconnected', 'Connection to Server Failed'],
]

/** The status of a node, parsed from its reply as in Autopilot: checks that failed or could not run both count. */
export const statusOf = (reply: string): string[] => {
  const failed = reply
    .split('\n')
    .filter((line) => line.includes('FAIL') || line.includes('ABORT'))
    .flatMap((line) => FAILURES.find(([word]) => line.includes(word))?.[1] ?? [])
  return failed.length > 0 ? [...new Set(failed)] : ['OK']
}
