import { z } from 'zod'
import { type CheckDeps, defineCheck } from '../check.ts'
import { createFinding, ERROR, FAIL, type Finding, PASS, SKIPPED } from '../findings.ts'
import { judgeTable, listGpus } from '../gpus/inventory.ts'
import { isAbsent, isBroken, numberIn, type Row } from '../gpus/output.ts'
import { type Answer, hasPciGpus, queryDetails, querySmi, smiRequirements } from '../gpus/query.ts'
import { timeout } from '../parameters.ts'

const BUDGET_SECONDS = 150

const parameters = z.strictObject({ timeout: timeout(BUDGET_SECONDS).default(BUDGET_SECONDS) })

const FIELDS = [
  'gpu_uuid',
  'remapped_rows.correctable',
  'remapped_rows.uncorrectable',
  'remapped_rows.pending',
  'remapped_rows.failure',
]

/** The answer of a driver without row remapping. */
const UNKNOWN_QUERY = /not recognized|unrecognized|Invalid combination of input arguments/i

const flag = (index: string, name: string, cell: string, reason: string): Finding => {
  // Versions print a flag in different forms.
  const set = /^(yes|1)$/i.test(cell)
  if (!set && !/^(no|0)$/i.test(cell))
    return createFinding(index, name, cell, '', ERROR, `nvidia-smi reports ${cell} instead of yes or no`)
  return createFinding(index, name, set, '', set ? FAIL : PASS, set ? reason : '')
}

const judge = (index: string, row: Row | undefined): Finding[] => {
  const pending = row?.['remapped_rows.pending'] ?? ''
  // GPUs before Ampere retire pages instead of rows.
  if (isAbsent(pending)) return [createFinding(index, 'pending', 'not supported', '', SKIPPED)]
  if (isBroken(pending))
    return [createFinding(index, 'answers', false, '', FAIL, `GPU does not answer: ${pending}`)]
  const counts = (['correctable', 'uncorrectable'] as const).flatMap((kind) => {
    const count = numberIn('nvidia.remapped_rows', row?.[`remapped_rows.${kind}`])
    return count === undefined ? [] : [createFinding(index, `${kind}_rows`, count, 'count')]
  })
  return [
    flag(index, 'pending', pending, 'memory rows wait to be remapped: reset the GPU'),
    flag(
      index,
      'failure',
      row?.['remapped_rows.failure'] ?? '',
      'a row could not be remapped: replace the GPU',
    ),
    ...counts,
  ]
}

/** Reads the same values from `nvidia-smi -q`, as Autopilot does, where nvidia-smi has no such table. */
const askInDetail = async (deps: CheckDeps, table: Answer, signal: AbortSignal): Promise<Answer> => {
  const { gpus, raw } = await queryDetails(deps, signal)
  const rows = gpus.map((values) => ({
    gpu_uuid: values.get('GPU UUID') ?? '',
    'remapped_rows.correctable': values.get('Remapped Rows.Correctable Error') ?? '',
    'remapped_rows.uncorrectable': values.get('Remapped Rows.Uncorrectable Error') ?? '',
    'remapped_rows.pending': values.get('Remapped Rows.Pending') ?? '',
    'remapped_rows.failure': values.get('Remapped Rows.Remapping Failure Occurred') ?? '',
  }))
  return rows.length === 0
    ? { ...table, raw: table.raw + raw }
    : { ...table, rows, unknown: [], failure: '', raw }
}

export const remapped = defineCheck({
  name: 'remapped',
  summary: 'No GPU has memory rows that wait to be remapped or could not be remapped.',
  invasive: false,
  budgetSeconds: BUDGET_SECONDS,
  budgetFor: ({ timeout: seconds }) => seconds,
  parameters,
  requirements: smiRequirements,
  hasHardware: hasPciGpus,
  // Rows belong to the whole GPU, with or without MIG.
  run: async (deps, _parameters, signal) => {
    const inventory = await listGpus(deps, signal)
    if ('finalResult' in inventory) return inventory.finalResult
    const table = await querySmi(deps, '--query-remapped-rows', FIELDS, signal)
    const empty = table.rows.length === 0 && table.lost.length === 0 && table.failure === ''
    const answer = UNKNOWN_QUERY.test(table.failure) || empty ? await askInDetail(deps, table, signal) : table
    return judgeTable(inventory, answer, ({ uuid }) => ['gpu_uuid', uuid], judge)
  },
})
