/** Measures the rate from host memory to each GPU, which detects a PCIe link that has lost lanes or speed. */

import { z } from 'zod'
import { type CheckDeps, defineCheck } from '../check.ts'
import { createFinding, ERROR, FAIL, type Finding, PASS, skipped, WARN } from '../findings.ts'
import { cudaErrorOf, runCuda } from '../gpus/cuda.ts'
import { findGpuUse } from '../gpus/idle.ts'
import { concludeGpus, type Gpu, listWholeGpus } from '../gpus/inventory.ts'
import { lacksDriver, smiRequirements } from '../gpus/query.ts'
import { byteRate, timeout } from '../parameters.ts'
import { failureOf, findProgram, missing, type Output, rawOf } from '../programs.ts'
import { type Nvbandwidth, parseBandwidthTest, parseNvbandwidth } from './output.ts'

const BUDGET_SECONDS = 600

/** Longest time for one GPU: a few seconds, and more where the driver has to initialise it. */
const ONE_GPU_SECONDS = 120

const parameters = z.strictObject({
  threshold: byteRate().default(4e9),
  program: z.enum(['auto', 'bandwidthTest', 'nvbandwidth']).default('auto'),
  timeout: timeout(BUDGET_SECONDS).default(BUDGET_SECONDS),
})

type Parameters = z.output<typeof parameters>
type Program = 'bandwidthTest' | 'nvbandwidth'

const HINTS: Record<Program, string> = {
  bandwidthTest: "build it from NVIDIA's CUDA samples before 12.9",
  nvbandwidth: "build it from NVIDIA's nvbandwidth",
}

/** The measured rate of each GPU, or the reason why there is none, in the order of the GPUs. */
type Measurement = { bytesPerSecond: number } | { failure: string }

/** Banners of the programs, which do not explain an error. */
const NOISE = /^\s*$|^\[CUDA Bandwidth Test\]|^Running on|^\s*Device \d+:|^\s*(Quick|Shmoo|Range) Mode|^\.+$/

const explain = (output: Output): string =>
  cudaErrorOf(rawOf(output)) ?? (failureOf(output, NOISE) || 'it ended without a result')

const measureOneByOne = async (deps: CheckDeps, gpus: readonly Gpu[], signal: AbortSignal) => {
  const measurements: Measurement[] = []
  const raw: string[] = []
  // One after the other, because two GPUs may share a switch.
  for (const position of gpus.keys()) {
    const args = ['--htod', '--memory=pinned', `--device=${position}`, '--csv']
    const output = await runCuda(deps, 'bandwidthTest', args, signal, ONE_GPU_SECONDS)
    const bytesPerSecond = output.reason === '' ? parseBandwidthTest(output.stdout) : undefined
    measurements.push(bytesPerSecond === undefined ? { failure: explain(output) } : { bytesPerSecond })
    raw.push(rawOf(output))
  }
  return { measurements, raw: raw.join('') }
}

/** Returns why a result of nvbandwidth has no rate for a GPU; empty when there is no result. */
const whyNot = (result: Nvbandwidth | undefined, count: number): string => {
  if (result === undefined) return ''
  if (result.kind === 'not-measured') return result.reason
  const { length } = result.bytesPerSecond
  return length === count
    ? 'nvbandwidth has no figure for it'
    : `nvbandwidth sees ${length} GPUs, nvidia-smi ${count}`
}

const measureTogether = async (deps: CheckDeps, gpus: readonly Gpu[], signal: AbortSignal) => {
  const args = ['-t', 'host_to_device_memcpy_ce']
  let output = await runCuda(deps, 'nvbandwidth', [...args, '-j'], signal, BUDGET_SECONDS)
  // JSON needs version 0.5.
  if (/unrecogni[sz]ed option|Invalid Arguments/i.test(rawOf(output)))
    output = await runCuda(deps, 'nvbandwidth', args, signal, BUDGET_SECONDS)
  const result = parseNvbandwidth(output.stdout)
  const columns = result?.kind === 'measured' ? result.bytesPerSecond : []
  const measurements = gpus.map((_, position): Measurement => {
    const bytesPerSecond = columns.length === gpus.length ? columns[position] : undefined
    return bytesPerSecond === undefined
      ? { failure: whyNot(result, gpus.length) || explain(output) }
      : { bytesPerSecond }
  })
  return { measurements, raw: rawOf(output) }
}

const inGigabytes = (bytesPerSecond: number): string => `${Number((bytesPerSecond / 1e9).toFixed(2))} GB/s`

const judge = (
  index: string,
  measurement: Measurement,
  threshold: number,
  work: readonly string[],
): Finding => {
  const name = 'host_to_device'
  if ('failure' in measurement)
    return createFinding(
      index,
      name,
      null,
      'bytes_per_second',
      ERROR,
      `was not measured: ${measurement.failure}`,
    )
  const { bytesPerSecond } = measurement
  if (bytesPerSecond >= threshold) return createFinding(index, name, bytesPerSecond, 'bytes_per_second', PASS)
  const low = `only ${inGigabytes(bytesPerSecond)} from host to GPU, less than ${inGigabytes(threshold)}`
  // A GPU that shares its link with a job is not slow.
  return work.length > 0
    ? createFinding(index, name, bytesPerSecond, 'bytes_per_second', WARN, `${low}; but ${work.join(', ')}`)
    : createFinding(index, name, bytesPerSecond, 'bytes_per_second', FAIL, low)
}

const chooseProgram = async (
  deps: CheckDeps,
  wanted: Parameters['program'],
): Promise<Program | undefined> => {
  const candidates: Program[] = wanted === 'auto' ? ['bandwidthTest', 'nvbandwidth'] : [wanted]
  for (const candidate of candidates) if (await findProgram(deps, candidate)) return candidate
  return undefined
}

const missingPrograms = (deps: CheckDeps, wanted: Parameters['program']): string[] =>
  (wanted === 'auto' ? (['bandwidthTest', 'nvbandwidth'] as const) : [wanted]).map((name) =>
    missing(deps, name, HINTS[name]),
  )

export const pciebw = defineCheck({
  name: 'pciebw',
  summary: 'The rate from host memory to every GPU is as expected.',
  invasive: false,
  budgetSeconds: BUDGET_SECONDS,
  budgetFor: ({ timeout: seconds }) => seconds,
  claim: 'gpus',
  parameters,
  requirements: async (deps) => [
    ...(await smiRequirements(deps)),
    ...((await chooseProgram(deps, 'auto')) ? [] : missingPrograms(deps, 'auto')),
  ],
  hasHardware: lacksDriver,
  run: async (deps, { threshold, program: wanted }, signal) => {
    const program = await chooseProgram(deps, wanted)
    if (!program) return skipped(missingPrograms(deps, wanted))
    const inventory = await listWholeGpus(deps, signal)
    if ('finalResult' in inventory) return inventory.finalResult
    const gpus = inventory.gpus.filter(({ broken }) => !broken)
    const work = await findGpuUse(deps, gpus, signal)
    const measure = program === 'bandwidthTest' ? measureOneByOne : measureTogether
    const { measurements, raw } = await measure(deps, gpus, signal)
    const judged = gpus.map(({ index }, position) => judge(index, measurements[position]!, threshold, work))
    return concludeGpus(
      inventory,
      [
        ...inventory.findings,
        createFinding('node', 'program', program),
        createFinding('node', 'threshold', threshold, 'bytes_per_second'),
        ...judged,
      ],
      inventory.raw + raw,
    )
  },
})
