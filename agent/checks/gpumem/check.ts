/** Runs copies, DAXPY and DGEMM on every GPU, which detect slow memory. Loads the GPUs fully for a minute. */

import { z } from 'zod'
import { defineCheck } from '../check.ts'
import { couldNotRun, createFinding, ERROR, FAIL, type Finding, PASS, statusBelow } from '../findings.ts'
import { cudaErrorOf, runCuda } from '../gpus/cuda.ts'
import { findGpuUse, skippedInUse } from '../gpus/idle.ts'
import { concludeGpus, type Gpu, listWholeGpus } from '../gpus/inventory.ts'
import { lacksDriver, smiRequirements } from '../gpus/query.ts'
import { byteRate, timeout } from '../parameters.ts'
import { failureOf, findProgram, missing, rawOf } from '../programs.ts'
import { type GpuFigures, parseGpucheck, type Report } from './output.ts'

const BUDGET_SECONDS = 900

const HINT = 'build it with nvcc from the gpucheck sources that your health checks came with'

/** gpucheck's own minimum values for an A100. An explicit value replaces its verdict. */
const LEAST = { host_to_device: 4e9, daxpy: 1300e9, dgemm: 16 }

const parameters = z.strictObject({
  host_to_device: byteRate().optional(),
  daxpy: byteRate().optional(),
  /** TFlop/s. */
  dgemm: z.number().nonnegative().optional(),
  /** Runs also while the GPUs are in use. */
  force: z.boolean().default(false),
  timeout: timeout(BUDGET_SECONDS).default(BUDGET_SECONDS),
})

type Parameters = z.output<typeof parameters>

const judge = (index: string, figures: GpuFigures, request: Parameters): Finding[] => {
  const least = (name: string, value: number, unit: string, fail: number, shown: (x: number) => string) => {
    const status = statusBelow(value, { fail })
    const reason = status === PASS ? '' : `${name} reaches only ${shown(value)}, less than ${shown(fail)}`
    return createFinding(index, name, value, unit, status, reason)
  }
  const rate = (bytes: number) => `${Number((bytes / 1e9).toFixed(2))} GB/s`
  return [
    least(
      'host_to_device',
      figures.hostToDevice * 1e9,
      'bytes_per_second',
      request.host_to_device ?? LEAST.host_to_device,
      rate,
    ),
    least('daxpy', figures.daxpy * 1e9, 'bytes_per_second', request.daxpy ?? LEAST.daxpy, rate),
    least('dgemm', figures.dgemm, 'teraflops', request.dgemm ?? LEAST.dgemm, (x) => `${x} TFlop/s`),
    createFinding(index, 'temperature', figures.celsius, 'celsius'),
    createFinding(index, 'power', figures.watts, 'watts'),
    createFinding(index, 'sm_clock', figures.smMegahertz * 1e6, 'hertz'),
  ]
}

/** @param position of the GPU in the list of CUDA */
const judgeGpu = ({ index }: Gpu, position: number, report: Report, request: Parameters): Finding[] => {
  const cudaIndex = String(position)
  const figures = report.gpus.find((candidate) => candidate.index === cudaIndex)
  if (!figures) return [createFinding(index, 'measured', false, '', ERROR, 'gpucheck has no figures for it')]
  const findings = judge(index, figures, request)
  const hasOwnLimits = [request.host_to_device, request.daxpy, request.dgemm].some(
    (value) => value !== undefined,
  )
  const missed =
    !hasOwnLimits && report.faulty?.includes(cudaIndex) && findings.every(({ status }) => status === PASS)
  // The table is rounded: a value just below the minimum looks good there.
  return missed
    ? [...findings, createFinding(index, 'faulty', true, '', FAIL, 'gpucheck reports it as faulty')]
    : findings
}

export const gpumem = defineCheck({
  name: 'gpumem',
  summary: "Every GPU's memory and arithmetic reach their expected speed.",
  invasive: true,
  budgetSeconds: BUDGET_SECONDS,
  budgetFor: ({ timeout: seconds }) => seconds,
  claim: 'gpus',
  parameters,
  requirements: async (deps) => [
    ...(await smiRequirements(deps)),
    ...((await findProgram(deps, 'gpucheck')) ? [] : [missing(deps, 'gpucheck', HINT)]),
  ],
  hasHardware: lacksDriver,
  run: async (deps, request, signal) => {
    const inventory = await listWholeGpus(deps, signal)
    if ('finalResult' in inventory) return inventory.finalResult
    const work = request.force ? [] : await findGpuUse(deps, inventory.gpus, signal)
    if (work.length > 0) return skippedInUse(work)
    const output = await runCuda(deps, 'gpucheck', [], signal, BUDGET_SECONDS)
    const raw = inventory.raw + rawOf(output)
    const report = parseGpucheck(output.stdout)
    const gpus = inventory.gpus.filter(({ broken }) => !broken)
    // Without its summary it was interrupted and has no verdict. For versions without a summary, the exit code decides.
    const ended = report.faulty !== undefined || (report.isWithoutSummary && output.reason === '')
    if (!ended || report.gpus.length === 0) {
      const why = cudaErrorOf(rawOf(output)) ?? (failureOf(output) || 'it ended before its summary')
      return couldNotRun([`gpucheck did not finish: ${why}`], raw)
    }
    return concludeGpus(
      inventory,
      [...inventory.findings, ...gpus.flatMap((gpu, position) => judgeGpu(gpu, position, report, request))],
      raw,
    )
  },
})
