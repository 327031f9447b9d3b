import { setTimeout as sleep } from 'node:timers/promises'
import { AgentServiceDefinition, DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { type CheckResult, CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { OperatingError } from '../../lib/errors.ts'
import { createLogger } from '../../lib/logging.ts'
import { serveGrpc, service } from '../../lib/serving.ts'

/** What a check says, given what it was asked with; undefined refuses it as unknown. */
export type Script = (check: string, parameters: Record<string, unknown>) => CheckResult | undefined

export type StandInAgent = {
  address: string
  /** Changes what checks say. */
  say(script: Script): void
  /** Each check that was run, in order. */
  ran: { check: string; parameters: Record<string, unknown> }[]
  /** The most checks that ran at the same moment. */
  mostAtOnce(): number
  /** Holds every check until the returned function is called. */
  hold(): () => void
  close(): Promise<void>
}

/** An agent of a node with GPUs, as far as checks go, over real gRPC. */
export const startStandInAgent = async (
  node: string,
  checks: readonly string[],
  first: Script,
): Promise<StandInAgent> => {
  let script = first
  let held: Promise<void> = Promise.resolve()
  let [running, most] = [0, 0]
  const ran: StandInAgent['ran'] = []
  const server = await serveGrpc(
    { logger: createLogger('stand-in-agent', 'silent') },
    {
      address: '127.0.0.1:0',
      security: {},
      services: [
        service(AgentServiceDefinition, {
          describe: async () =>
            DescribeResponse.fromPartial({
              identity: { node, hostname: node, agentVersion: 'stand-in' },
              interfaces: [
                { name: 'net0', addresses: [`10.9.0.${node.replace(/\D/g, '')}/24`], state: 'up' },
              ],
              metadata: { cpuModel: 'Intel(R) Xeon(R) Gold 6258R', gpuModel: 'NVIDIA A100-SXM4-80GB' },
            }),
        }),
        service(CheckServiceDefinition, {
          listChecks: async () => ({
            checks: checks.map((name) => ({ name, summary: '', invasive: false, reasons: [] })),
          }),
          runCheck: async ({ check, parameters }, { signal }) => {
            const result = script(check, parameters ?? {})
            if (!result)
              throw new OperatingError('SPEC_INVALID', `"${check}" is not a check`, {
                violations: [{ field: 'check', description: `"${check}" is not a check` }],
              })
            ran.push({ check, parameters: parameters ?? {} })
            most = Math.max(most, ++running)
            try {
              await Promise.race([held, sleep(60_000, undefined, { signal, ref: false })])
            } finally {
              running--
            }
            return { result }
          },
        }),
      ],
    },
  )
  return {
    address: `127.0.0.1:${server.port}`,
    say: (next) => {
      script = next
    },
    ran,
    mostAtOnce: () => most,
    hold: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      held = promise
      return resolve
    },
    close: () => server.close(0.1),
  }
}
