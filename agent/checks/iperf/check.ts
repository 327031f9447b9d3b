import { z } from 'zod'
import { type CheckDeps, defineCheck, type Findings } from '../check.ts'
import { skipped } from '../findings.ts'

/**
 * One node cannot measure throughput by itself: the other end needs a server on a leased port, and both ends have to
 * be free. That is the collector's work, so this check says so instead of giving a figure that nobody can trust.
 */
const reasons = async ({ engines }: CheckDeps, signal: AbortSignal): Promise<string[]> => {
  const iperfs = (await engines.list(signal)).filter(({ test }) => test === 'iperf')
  return [
    'bandwidth takes two nodes, so the collector runs it when it is asked for by name: meshgauge check iperf',
    ...(iperfs.some(({ available }) => available) ? [] : iperfs.flatMap((engine) => engine.reasons)),
  ]
}

export const iperf = defineCheck({
  name: 'iperf',
  summary: 'Throughput to the peers; run by the collector, as it takes two nodes.',
  invasive: false,
  budgetSeconds: 30,
  parameters: z.strictObject({}),
  requirements: reasons,
  run: async (deps, _parameters, signal): Promise<Findings> => skipped(await reasons(deps, signal)),
})
