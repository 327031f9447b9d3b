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
}

const SUMMARY = 'Summary of GPU errors:'

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
  if (end === -1) return { gpus, faulty: undefined }
  const summary = text.slice(end + SUMMARY.length)
  const faulty = [...summary.matchAll(/GPU (\d+) --/g)].map(([, index]) => index!)
  // It says NONE, or names them: anything else is a summary that broke off.
  return { gpus, faulty: faulty.length > 0 ? faulty : /\bNONE\b/.test(summary) ? [] : undefined }
}
