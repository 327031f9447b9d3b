import { z } from 'zod'
import { formatRatio } from '../../../lib/units.ts'
import { defineCheck } from '../check.ts'
import { createFinding, FAIL, PASS, toFindings, WARN } from '../findings.ts'
import { pingRequirements, probeTargets, probing, subjectOf, target } from '../probing.ts'

const parameters = z.strictObject({
  targets: z.array(target).min(1, 'at least one target is needed'),
  ...probing,
  count: probing.count.default(3),
})

export const reachability = defineCheck({
  name: 'reachability',
  summary: 'Every target answers a few pings on its interface.',
  invasive: false,
  budgetSeconds: 60,
  parameters,
  requirements: pingRequirements,
  run: async (deps, request, signal) => {
    const probed = await probeTargets(deps, request, signal)
    return toFindings(
      probed.map(({ target: to, result }) => {
        const loss = result.statistics?.lossRatio ?? 1
        const status = loss === 0 ? PASS : loss < 1 ? WARN : FAIL
        const finding = createFinding(subjectOf(to), 'loss', loss, 'ratio', status)
        if (status === PASS) return finding
        const reason = status === FAIL ? 'does not answer' : `loses ${formatRatio(loss)}`
        return { ...finding, reason: `${subjectOf(to)} ${reason}` }
      }),
    )
  },
})
