import { setTimeout as sleep } from 'node:timers/promises'
import { AgentServiceDefinition, DescribeResponse } from '#proto/meshgauge/agent/v1/agent.ts'
import { type CheckResult, CheckServiceDefinition } from '#proto/meshgauge/agent/v1/check.ts'
import { OperatingError } from '../../lib/errors.ts'
import { createLogger } from '../../lib/logging.ts'
import { serveGrpc, service } from '../../lib/serving.ts'

/** Returns the result of a check for its parameters, or undefined when the agent does not know the check. */
export type CheckScript = (check: string, parameters: Record<string, unknown>) => CheckResult | undefined

export type FakeAgent = {
  address: string
  /** Replaces the script. */
  setScript(script: CheckScript): void
  /** All executed checks, in order. */
  ran: { check: string; parameters: Record<string, unknown> }[]
  /** The largest number of checks that ran at the same time. */
  maxConcurrent(): number
  /** Blocks every check until the returned function is called. */
  block(): () => void
  close(): Promise<void>
}

/** Starts a fake agent: a real gRPC server with AgentService.Describe and scripted checks, of a node with GPUs. */
export const startFakeAgent = async (
  node: string,
  checks: readonly string[],
  initial: CheckScript,
): Promise<FakeAgent> => {
  let script = initial
  let blocked: Promise<void> = Promise.resolve()
  let [running, most] = [0, 0]
  const ran: FakeAgent['ran'] = []
  const server = await serveGrpc(
    { logger: createLogger('fake-agent', 'silent') },
    {
      address: '127.0.0.1:0',
      security: {},
      services: [
        service(AgentServiceDefinition, {
          describe: async () =>
            DescribeResponse.fromPartial({
              identity: { node, hostname: node, agentVersion: 'fake' },
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
              await Promise.race([blocked, sleep(60_000, undefined, { signal, ref: false })])
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
    setScript: (next) => {
      script = next
    },
    ran,
    maxConcurrent: () => most,
    block: () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      blocked = promise
      return resolve
    },
    close: () => server.close(0.1),
  }
}
