/** Parses the output of gpucheck: a table with the values of each GPU, and a list of faulty ones. */

import { type FieldName, plausible } from '../../plausibility.ts'

export type GpuFigures = {
  index: string
  /** Pinned host memory to GPU, GB/s. */
  hostToDevice: number
  /** GB/s. */
  daxpy: number
  /** TFlop/s. */
  dgemm: number
  celsius: number
  watts: number
  smMegahertz: number
}

export type Report = {
  gpus: GpuFigures[]
  /** GPUs that the program reports as faulty; undefined when it did not reach its summary. */
  faulty: string[] | undefined
  /** An older version without a summary. */
  isWithoutSummary: boolean
}

const SUMMARY = 'Summary of GPU errors:'

/** The header of the version without a summary; later ones write `GPU`. */
const OLD_HEADER = /^ gpu {2}H2D\(p\)/m

/** Columns: GPU, four copies, daxpy, dgemm, temperature, power, clock. */
const COLUMNS: readonly FieldName[] = [
  'gpucheck.gpu',
  ...new Array<FieldName>(5).fill('gpucheck.rate'),
  'gpucheck.dgemm',
  'gpucheck.temperature',
  'gpucheck.power',
  'gpucheck.clock',
]

export const parseGpucheck = (text: string): Report => {
  const end = text.indexOf(SUMMARY)
  const table = end === -1 ? text : text.slice(0, end)
  const gpus = table.split('\n').flatMap((line) => {
    const words = line.trim().split(/\s+/)
    const cells = COLUMNS.flatMap((name, column) => plausible(name, words[column]) ?? [])
    if (words.length !== COLUMNS.length || cells.length !== COLUMNS.length) return []
    const [index, hostToDevice, , , , daxpy, dgemm, celsius, watts, smMegahertz] = cells as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    return [{ index: String(index), hostToDevice, daxpy, dgemm, celsius, watts, smMegahertz }]
  })
  if (end === -1) return { gpus, faulty: undefined, isWithoutSummary: OLD_HEADER.test(text) }
  const summary = text.slice(end + SUMMARY.length)
  const faulty = [...summary.matchAll(/GPU (\d+) --/g)].map(([, index]) => index!)
  // The summary is NONE or a list of GPUs; anything else is incomplete.
  const named = faulty.length > 0 || /\bNONE\b/.test(summary)
  return { gpus, faulty: named ? faulty : undefined, isWithoutSummary: false }
}
