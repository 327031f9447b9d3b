/** The table of gpucheck: what each GPU reached, and the program's own list of bad ones. */

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
  /** GPUs that the program itself calls faulty; undefined when it did not come to its summary. */
  faulty: string[] | undefined
  /** An older version, which has no summary: what it measured is all that it says. */
  isWithoutSummary: boolean
}

const SUMMARY = 'Summary of GPU errors:'

/** The header of the version before the one with a summary; that one writes `GPU`. */
const OLD_HEADER = /^ gpu {2}H2D\(p\)/m

/** GPU, four copies, daxpy, dgemm, temperature, power, clock. */
const COLUMNS = 10

export const parseGpucheck = (text: string): Report => {
  const end = text.indexOf(SUMMARY)
  const table = end === -1 ? text : text.slice(0, end)
  const gpus = table.split('\n').flatMap((line) => {
    const cells = line.trim().split(/\s+/).map(Number)
    if (cells.length !== COLUMNS || cells.some((cell) => !Number.isFinite(cell))) return []
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
  // It says NONE, or names them: anything else is a summary that broke off.
  const named = faulty.length > 0 || /\bNONE\b/.test(summary)
  return { gpus, faulty: named ? faulty : undefined, isWithoutSummary: false }
}
