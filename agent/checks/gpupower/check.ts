import { z } from 'zod'
import { defineCheck } from '../check.ts'
import { createFinding, ERROR, FAIL, type Finding, PASS, SKIPPED } from '../findings.ts'
import { judgeTable, listGpus } from '../gpus/inventory.ts'
import { isAbsent, isBroken, type Row } from '../gpus/output.ts'
import { hasPciGpus, querySmi, smiRequirements } from '../gpus/query.ts'
import { timeout } from '../parameters.ts'

const BUDGET_SECONDS = 150

const parameters = z.strictObject({ timeout: timeout(BUDGET_SECONDS).default(BUDGET_SECONDS) })

const SLOWDOWN = 'clocks_event_reasons.hw_slowdown'
const THERMAL = 'clocks_event_reasons.hw_thermal_slowdown'
const BRAKE = 'clocks_event_reasons.hw_power_brake_slowdown'

const isActive = (cell: string | undefined): boolean => /^active$/i.test(cell ?? '')

const judge = (index: string, row: Row | undefined): Finding[] => {
  const cell = row?.[SLOWDOWN] ?? ''
  if (isBroken(cell))
    return [createFinding(index, 'answers', false, '', FAIL, `GPU does not answer: ${cell}`)]
  if (isAbsent(cell)) return [createFinding(index, 'hw_slowdown', 'not supported', '', SKIPPED)]
  if (!isActive(cell) && !/^not[ _]active$/i.test(cell))
    return [
      createFinding(index, 'hw_slowdown', cell, '', ERROR, `nvidia-smi reports ${cell} instead of yes or no`),
    ]
  const active = isActive(cell)
  const causes = [
    ...(isActive(row?.[THERMAL]) ? ['it is too hot'] : []),
    ...(isActive(row?.[BRAKE]) ? ['the power supply requests it'] : []),
  ]
  const why =
    causes.length > 0
      ? causes.join(' and ')
      : 'it is too hot, draws too much, or its power supply requests it'
  return [
    createFinding(
      index,
      'hw_slowdown',
      active,
      '',
      active ? FAIL : PASS,
      active ? `its clocks are slowed down: ${why}` : '',
    ),
    createFinding(index, 'hw_thermal_slowdown', isActive(row?.[THERMAL])),
    createFinding(index, 'hw_power_brake_slowdown', isActive(row?.[BRAKE])),
  ]
}

export const gpupower = defineCheck({
  name: 'gpupower',
  summary: 'No GPU is slowed down by its hardware.',
  invasive: false,
  budgetSeconds: BUDGET_SECONDS,
  budgetFor: ({ timeout: seconds }) => seconds,
  parameters,
  requirements: smiRequirements,
  hasHardware: hasPciGpus,
  // Clocks belong to the whole GPU, with or without MIG.
  run: async (deps, _parameters, signal) => {
    const inventory = await listGpus(deps, signal)
    if ('finalResult' in inventory) return inventory.finalResult
    const answer = await querySmi(deps, '--query-gpu', ['index', SLOWDOWN, THERMAL, BRAKE], signal)
    return judgeTable(inventory, answer, ({ index }) => ['index', index], judge)
  },
})
