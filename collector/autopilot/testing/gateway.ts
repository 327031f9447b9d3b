/** A gateway with a fleet of three nodes. Tests determine the results of checks and runs. */

import { afterEach, beforeEach } from 'vitest'
import type { CheckResult } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { Plan, RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { systemClock } from '../../../lib/clock.ts'
import { OperatingError } from '../../../lib/errors.ts'
import type { HttpServer } from '../../../lib/http-listener.ts'
import { createLogger, type Logger } from '../../../lib/logging.ts'
import type { Health } from '../../health/health.ts'
import { AUTOPILOT_DEFAULTS } from '../../inventory/config.ts'
import type { FleetNode, NodeState } from '../../inventory/node.ts'
import { sampleNode } from '../../inventory/testing/nodes.ts'
import type { RequestedRunSpec } from '../../plan/run-spec.ts'
import { sampleRun } from '../../store/testing/samples.ts'
import { failedPair, iperfPair } from '../../telemetry/testing/samples.ts'
import { listenAutopilot } from '../server.ts'
import { freePort } from './free-port.ts'
import { dcgm, pciebw, ping, remapped, skipped } from './results.ts'

export const node = (number: number, state: NodeState = 'ready'): FleetNode =>
  sampleNode(
    `node-${number}`,
    { net0: [`10.9.0.${number}/24`] },
    { address: `10.0.0.${number}:50051`, labels: { gpu: number < 3 ? 'a100' : 'none' }, state },
  )

type RequestedCheck = { node: string; check: string; parameters: Record<string, unknown> }

const run = (state: RunState) =>
  sampleRun({
    id: 'run-1',
    state,
    plan: Plan.fromPartial({ pairCount: 6, roundCount: 2 }),
    stateReason: 'by an operator',
  })

/** The requests that the collector received from the gateway, and its replies, which a test may change. */
const createState = () => ({
  nodes: [1, 2, 3].map((number) => node(number)),
  requested: [] as RequestedCheck[],
  specs: [] as RequestedRunSpec[],
  cancelled: [] as string[],
  /** What was logged with level info. */
  logged: [] as unknown[],
  results: [iperfPair('node-1', 'node-2', 9.4e9), failedPair('node-2', 'node-1', Outcome.OUTCOME_REFUSED)],
  runState: RunState.RUN_STATE_COMPLETED as RunState,
  watch: async (_signal: AbortSignal): Promise<void> => undefined,
  answer: ({ check }: RequestedCheck, _signal: AbortSignal): CheckResult | Promise<CheckResult> =>
    ({ pciebw: pciebw([12.3]), dcgm: dcgm(1), remapped: remapped([false]), ping: ping({ 'node-9': true }) })[
      check
    ] ?? skipped(check, 'no Kubernetes'),
})

const listen = async (state: ReturnType<typeof createState>): Promise<HttpServer> => {
  const health: Pick<Health, 'run'> = {
    async *run(request, signal) {
      const each = {
        node: request.nodes[0]!,
        check: request.checks[0]!,
        parameters: { ...request.parameters },
      }
      state.requested.push(each)
      yield { node: each.node, result: await state.answer(each, signal) }
    },
  }
  const port = await freePort()
  return listenAutopilot({
    clock: { ...systemClock, monotonicSeconds: () => 100 },
    logger: { ...createLogger('test', 'silent'), info: (line: unknown) => state.logged.push(line) } as Logger,
    fleet: { nodes: () => state.nodes, settled: Promise.resolve() },
    health,
    runs: {
      create: async (spec) => {
        state.specs.push(spec)
        if (spec.topology.nodes.includes('node-3'))
          throw new OperatingError('SPEC_INVALID', 'the run is not valid: no two nodes')
        return run(RunState.RUN_STATE_RUNNING)
      },
      async *watch(_id, signal) {
        yield { run: run(RunState.RUN_STATE_RUNNING), results: state.results }
        await state.watch(signal)
        yield { run: run(state.runState), results: [] }
      },
      get: () => run(RunState.RUN_STATE_RUNNING),
      cancel: (id) => {
        state.cancelled.push(id)
        return run(RunState.RUN_STATE_CANCELLED)
      },
    },
    results: () => state.results,
    options: { ...AUTOPILOT_DEFAULTS, port },
  })
}

/** Call it once in a test file. Each test gets a new gateway. */
export const useGateway = () => {
  const gateway = {
    ...createState(),
    base: '',
    get: async (path: string): Promise<string> => (await fetch(gateway.base + path)).text(),
    close: async (): Promise<void> => undefined,
  }
  beforeEach(async () => {
    Object.assign(gateway, createState())
    const server = await listen(gateway)
    gateway.base = `http://127.0.0.1:${server.port}`
    gateway.close = () => server.close()
  })
  afterEach(() => gateway.close())
  return gateway
}
