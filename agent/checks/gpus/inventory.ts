/** The GPUs of a node, or why they cannot be told. */

import { type CheckDeps, type Findings, worstStatus } from '../check.ts'
import { ERROR, FAIL, type Finding, found, notDone, skipped, toFindings } from '../findings.ts'
import { isBroken, type Row } from './output.ts'
import { type Answer, countPciGpus, querySmi, SMI } from './query.ts'

export type Gpu = {
  /** As nvidia-smi counts them: by PCI address. */
  index: string
  uuid: string
  name: string
  mig: boolean
  /** The GPU is listed but does not answer. */
  broken: boolean
}

export type Inventory = {
  gpus: Gpu[]
  /** GPUs that do not answer, and trouble with the list itself. */
  findings: Finding[]
  raw: string
}

const IDENTITY = ['index', 'uuid', 'name', 'mig.mode.current']

/** More than any node has: a table that is longer is not one of GPUs. */
const MAX_GPUS = 64

const gpuOf = (row: Row): Gpu => ({
  index: row.index!,
  uuid: row.uuid ?? '',
  name: row.name ?? '',
  mig: row['mig.mode.current'] === 'Enabled',
  broken: Object.values(row).some(isBroken),
})

/** Findings about GPUs that an answer lists as lost, and about an answer that broke off. */
export const troubleFindings = ({ lost, trouble }: Answer): Finding[] => [
  ...lost.map(({ bus, text }) => found(bus || 'gpu', 'answers', false, '', FAIL, `does not answer: ${text}`)),
  // With a lost GPU nvidia-smi ends with an exit code; that is no second finding.
  ...(trouble !== '' && lost.length === 0 ? [found(SMI, 'answer', trouble, '', ERROR, trouble)] : []),
]

/** What to say when there is not one GPU to look at. */
const withoutGpus = async (deps: CheckDeps, answer: Answer): Promise<Findings> => {
  const count = await countPciGpus(deps)
  const on = count > 0 ? `${count} NVIDIA GPUs are on the PCI bus, but ` : ''
  const words: Record<NonNullable<Answer['absence']>, string> = {
    'no-gpu': 'the driver finds no GPU',
    'no-driver': 'the NVIDIA driver does not answer: it is not loaded',
    'driver-mismatch':
      'the loaded NVIDIA driver and its library are of different versions: reload it or reboot',
    'no-permission': `${SMI} may not ask the driver; it needs root or access to /dev/nvidia*`,
  }
  const why = answer.absence ? words[answer.absence] : answer.trouble || `${SMI} lists no GPU`
  const absent = answer.absence === 'no-gpu' || answer.absence === 'no-driver'
  return absent && count === 0
    ? skipped([`no NVIDIA GPU: ${why}`], answer.raw)
    : notDone([`${on}${why}`], answer.raw)
}

/** The node's GPUs. Findings instead when there is none to look at. */
export const listGpus = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<Inventory | { instead: Findings }> => {
  const answer = await querySmi(deps, '--query-gpu', IDENTITY, signal)
  const rows = answer.rows.filter((row) => /^\d+$/.test(row.index ?? ''))
  if (answer.rows.length > MAX_GPUS)
    return { instead: notDone([`${SMI} lists ${answer.rows.length} GPUs, which no node has`], answer.raw) }
  if (rows.length === 0 && answer.lost.length === 0) return { instead: await withoutGpus(deps, answer) }
  const gpus = rows.map(gpuOf)
  const broken = gpus
    .filter((gpu) => gpu.broken)
    .map(({ index, uuid }) => found(index, 'answers', false, '', FAIL, `GPU ${uuid} does not answer`))
  const findings = [...broken, ...troubleFindings(answer)]
  if (gpus.length === 0) return { instead: toFindings(findings, answer.raw) }
  return { gpus, findings, raw: answer.raw }
}

/** The same for a check that runs CUDA on whole GPUs: it does not apply to any that are cut up. */
export const listWholeGpus = async (
  deps: CheckDeps,
  signal: AbortSignal,
): Promise<Inventory | { instead: Findings }> => {
  const inventory = await listGpus(deps, signal)
  if ('instead' in inventory) return inventory
  const cut = inventory.gpus.filter(({ mig }) => mig).map(({ index }) => index)
  if (cut.length === 0) return inventory
  const reason = `MIG is enabled on GPU ${cut.join(', ')}: its slices cannot be measured as a GPU`
  return { instead: skipped([reason], inventory.raw) }
}

/** The result of a check of GPUs: which they are, and what was found. Who a GPU is does not make it a good one. */
export const concludeGpus = ({ gpus }: Inventory, findings: readonly Finding[], raw: string): Findings => {
  const identity = gpus.flatMap(({ index, uuid, name }) => [
    found(index, 'uuid', uuid),
    found(index, 'model', name),
  ])
  return { ...toFindings([...identity, ...findings], raw), status: worstStatus(findings) }
}

/**
 * What a table says of each GPU, with the trouble that it had itself.
 * @param judge gets no row where a table that is complete has none for the GPU
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
    // A GPU without a row in a table that broke off has not been looked at; the trouble says so.
    return gpu.broken || (row === undefined && answer.trouble !== '') ? [] : judge(gpu.index, row)
  })
  // A GPU that was lost already is lost in every table.
  const trouble = inventory.findings.length > 0 && answer.lost.length > 0 ? [] : troubleFindings(answer)
  return concludeGpus(inventory, [...inventory.findings, ...judged, ...trouble], inventory.raw + answer.raw)
}
