import { z } from 'zod'
import { defineCheck, type Findings } from '../check.ts'
import { skipped } from '../findings.ts'

const REASON = 'no Kubernetes'

/** Creates and deletes a volume claim where there is a cluster that has such things. */
export const pvc = defineCheck({
  name: 'pvc',
  summary: 'The cluster creates and deletes a volume claim in time.',
  invasive: false,
  budgetSeconds: 180,
  parameters: z.strictObject({}),
  requirements: async () => [REASON],
  run: async (): Promise<Findings> => skipped([REASON]),
})
