import { z } from 'zod'
import { defineCheck, type Findings } from '../check.ts'
import { skipped } from '../findings.ts'

const REASON = 'no Kubernetes'

/** Placeholder for Kubernetes, where a cluster creates and deletes a volume claim; skipped elsewhere. */
export const pvc = defineCheck({
  name: 'pvc',
  summary: 'The cluster creates and deletes a volume claim in time.',
  invasive: false,
  budgetSeconds: 180,
  parameters: z.strictObject({}),
  requirements: async () => [REASON],
  run: async (): Promise<Findings> => skipped([REASON]),
})
