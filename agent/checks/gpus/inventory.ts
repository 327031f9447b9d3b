/** Lists the GPUs of a node, or the reason why that is impossible. */

import { quote } from '../../engines/program-error.ts'
import { type CheckDeps, type Findings, worstStatus } from '../check.ts'
import {
  couldNotRun,
  createFinding,
  ERROR,
  FAIL,
  type Finding,
  PASS,
  skipped,
  toFindings,
  WARN,
} from '../findings.ts'
import { isBroken, type Row } from './output.ts'
import { type Answer, countPciGpus, querySmi, SMI } from './query.ts'

export type Gpu = {
  /** nvidia-smi's index, in the order of PCI addresses. */
  index: string
  uuid: string
  name: string
  mig: boolean
  /** The GPU is listed but does not answer. */
  broken: boolean
}

export type Inventory = {
  gpus: Gpu[]
  /** Findings about GPUs that do not answer, and about the list itself. */
  findings: Finding[]
  raw: string
}

const IDENTITY = ['index', 'uuid', 'name', 'mig.mode.current']

/** More GPUs than any node has: a longer table is not a list of GPUs. */
const MAX_GPUS = 64

const gpuOf = (row: Row): Gpu => ({
  index: row.index!,
  uuid: row.uuid ?? '',
  name: row.name ?? '',
  mig: row['mig.mode.current'] === 'Enabled',
  broken: Object.values(row).some(isBroken),
})

/** Costs time when a program starts, and is no fault. */
const HARMLESS = /persistence mode is disabled/i

const warningFinding = (text: string): Finding => {
  const bus = /\b[0-9A-F]{4,8}:[0-9A-F:]+\.\d\b/i.exec(text)?.[0]
  return createFinding(bus ?? SMI, 'warning', text, '', HARMLESS.test(text) ? PASS : WARN, quote(text))
}

/** Returns findings about GPUs that the answer lists as lost, about warnings, and about an incomplete answer. */
export const failureFindings = ({ lost, warnings, failure }: Answer): Finding[] => [
  ...warnings.map(warningFinding),
  ...lost.map(({ bus, text }) =>
    createFinding(bus || 'gpu', 'answers', false, '', FAIL, `does not answer: ${text}`),
  ),
  // With a lost GPU, the exit code of nvidia-smi is not a second finding.
  ...(failure !== '' && lost.length === 0 ? [createFinding(SMI, 'answer', failure, '', ERROR, failure)] : []),
]

/** The result when there is no GPU to check. */
const withoutGpus = async (deps: CheckDeps, answer: Answer): Promise<Findings> => {
  const count = await countPciGpus(deps)
  const on = count > 0 ? `${count} NVIDIA GPUs are on the PCI bus, but ` : ''
  const words: Record<NonNullable<Answer['absence']>, string> = {
    'no-gpu': 'the driver finds no GPU',
    'no-driver': 'the NVIDIA driver does not answer: it is not loaded',
    'driver-mismatch':
      'the loaded NVIDIA driver and its library are of different versions: reload it or reboot',
    'no-permission': `${SMI} may not query the driver; it needs root or access to /dev/nvidia*`,
  }
  const why = answer.absence ? words[answer.absence] : answer.failure || `${SMI} lists no GPU`
  const absent = answer.absence === 'no-gpu' || answer.absence === 'no-driver'
  return absent && count === 0
    ? skipped([`no NVIDIA GPU: ${why}`], answer.raw)
    : couldNotRun([`${on}${why}`], answer.raw)
}

/** Returns the GPUs of the node; when there is none to check, the final result of the check. */
export const listGpus = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<Inventory | { finalResult: Findings }> => {
  const answer = await querySmi(deps, '--query-gpu', IDENTITY, signal)
  const rows = answer.rows.filter((row) => /^\d+$/.test(row.index ?? ''))
  if (answer.rows.length > MAX_GPUS)
    return {
      finalResult: couldNotRun(
        [`${SMI} lists ${answer.rows.length} GPUs, more than any node has`],
        answer.raw,
      ),
    }
  if (rows.length === 0 && answer.lost.length === 0) return { finalResult: await withoutGpus(deps, answer) }
  const gpus = rows.map(gpuOf)
  const broken = gpus
    .filter((gpu) => gpu.broken)
    .map(({ index, uuid }) => createFinding(index, 'answers', false, '', FAIL, `GPU ${uuid} does not answer`))
  const findings = [...broken, ...failureFindings(answer)]
  if (gpus.length === 0) return { finalResult: toFindings(findings, answer.raw) }
  return { gpus, findings, raw: answer.raw }
}

/** As `listGpus`, for a check that runs CUDA on whole GPUs: it does not apply to GPUs with MIG. */
export const listWholeGpus = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<Inventory | { finalResult: Findings }> => {
  const inventory = await listGpus(deps, signal)
  if ('finalResult' in inventory) return inventory
  const cut = inventory.gpus.filter(({ mig }) => mig).map(({ index }) => index)
  if (cut.length === 0) return inventory
  const reason = `MIG is enabled on GPU ${cut.join(', ')}: its slices cannot be measured as a GPU`
  return { finalResult: skipped([reason], inventory.raw) }
}

/** The result of a GPU check: the identity of the GPUs and the findings. The identity alone is no PASS. */
export const concludeGpus = ({ gpus }: Inventory, findings: readonly Finding[], raw: string): Findings => {
  const identity = gpus.flatMap(({ index, uuid, name }) => [
    createFinding(index, 'uuid', uuid),
    createFinding(index, 'model', name),
  ])
  return { ...toFindings([...identity, ...findings], raw), status: worstStatus(findings) }
}

/**
 * Returns the findings for each GPU from a table, and those about the table itself.
 * @param judge called without a row where a complete table has none for the GPU
 */
export const judgeTable = (
  inventory: Inventory,
  answer: Answer,
  key: (gpu: Gpu) => [field: string, value: string],
  judge: (index: string, row: Row | undefined) => Finding[],
): Findings => {
  const judged = inventory.gpus.flatMap((gpu) => {
    const [field, value] = key(gpu)
    const row = answer.rows.find((candidate) => candidate[field] === value)
    // A GPU without a row in an incomplete table was not checked, which the finding about the table reports.
    return gpu.broken || (row === undefined && answer.failure !== '') ? [] : judge(gpu.index, row)
  })
  // A GPU that is lost is missing in every table.
  const isKnown = inventory.findings.some(({ name }) => name === 'answers') && answer.lost.length > 0
  const known = new Set(inventory.findings.map(({ reason }) => reason))
  const failure = isKnown ? [] : failureFindings(answer).filter(({ reason }) => !known.has(reason))
  return concludeGpus(inventory, [...inventory.findings, ...judged, ...failure], inventory.raw + answer.raw)
}
