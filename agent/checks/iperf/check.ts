import { z } from 'zod'
import { type CheckDeps, defineCheck, type Findings } from '../check.ts'
import { skipped } from '../findings.ts'

/**
 * One node cannot measure throughput: the peer needs a server on a leased port, and both nodes have to be free. The
 * collector arranges that, so this check only refers to it.
 */
const reasons = async ({ engines }: CheckDeps, signal: AbortSignal): Promise<string[]> => {
  const iperfs = (await engines.list(signal)).filter(({ test }) => test === 'iperf')
  return [
    'throughput needs two nodes: run it on the collector with "meshgauge check iperf"',
    ...(iperfs.some(({ available }) => available) ? [] : iperfs.flatMap((engine) => engine.reasons)),
  ]
}

export const iperf = defineCheck({
  name: 'iperf',
  summary: 'Throughput to the peers. The collector runs it, because it needs two nodes.',
  invasive: false,
  budgetSeconds: 30,
  parameters: z.strictObject({}),
  requirements: reasons,
  run: async (deps, _parameters, signal): Promise<Findings> => skipped(await reasons(deps, signal)),
})
