import { z } from 'zod'
import { quote } from '../../engines/program-error.ts'
import { type CheckDeps, defineCheck, type Findings } from '../check.ts'
import {
  couldNotRun,
  createFinding,
  ERROR,
  FAIL,
  type Finding,
  PASS,
  SKIPPED,
  toFindings,
  WARN,
} from '../findings.ts'
import { findGpuUse, skippedInUse } from '../gpus/idle.ts'
import { concludeGpus, type Inventory, listWholeGpus } from '../gpus/inventory.ts'
import { lacksDriver, smiRequirements } from '../gpus/query.ts'
import { timeout } from '../parameters.ts'
import { failureOf, findProgram, missing, type Output, rawOf, runProgram } from '../programs.ts'
import {
  type DcgmReport,
  type DcgmResult,
  type DcgmStatus,
  type DcgmTest,
  normalizeName,
  parseDcgm,
} from './output.ts'

const HINT = 'install datacenter-gpu-manager'

/** Longest time of each level on a node with eight GPUs; level 4 includes hours of memory tests. */
const LEVEL_SECONDS: Readonly<Record<number, number>> = { 1: 180, 2: 900, 3: 3600, 4: 4 * 3600 }
const BUDGET_SECONDS = LEVEL_SECONDS[4]!

/** From this level on, the diagnostic loads every GPU for minutes. */
const INVASIVE_LEVEL = 3

const parameters = z.strictObject({
  level: z.int().min(1).max(4).default(1),
  /** DCGM's names of the error categories with which a node must not be used. */
  fatal: z.array(z.string().min(1)).default(['PCIe', 'NVLink', 'ECC', 'GPU Memory']),
  /** Names of the tests that count; none means all. Of a path such as Hardware.GPU Memory, the last name counts. */
  tests: z.array(z.string().min(1)).default([]),
  /** Runs levels 3 and 4 also while the GPUs are in use. */
  force: z.boolean().default(false),
  timeout: timeout(BUDGET_SECONDS).optional(),
})

type Parameters = z.output<typeof parameters>

/** Names of tests that became shorter in DCGM 4. */
const RENAMED: Readonly<Record<string, string>> = { gpu_memory: 'memory' }
const canonical = (name: string): string => RENAMED[normalizeName(name)] ?? normalizeName(name)

/** Whether a failure has a fatal category: by the name of the test, or by its message (ECC, NVLink). */
const isFatal = (test: DcgmTest, { warnings }: DcgmResult, fatal: readonly string[]): boolean =>
  fatal.some((category) => {
    const words = new RegExp(`\\b${category.replaceAll(/[^\w ]/g, '.').trim()}\\b`, 'i')
    return canonical(category) === canonical(test.name) || warnings.some((warning) => words.test(warning))
  })

const isSelected = ({ name }: DcgmTest, { tests }: Parameters): boolean =>
  tests.length === 0 || tests.some((path) => canonical(path.split('.').at(-1)!) === canonical(name))

const STATUSES: Record<DcgmStatus, Finding['status']> = {
  pass: PASS,
  warn: WARN,
  fail: FAIL,
  skip: SKIPPED,
  unknown: ERROR,
}

const WORDS: Record<DcgmStatus, string> = {
  pass: '',
  warn: 'warns',
  fail: 'fails',
  skip: '',
  unknown: 'ended with a status that this version of meshgauge does not know',
}

const judge = (test: DcgmTest, result: DcgmResult, categories: readonly string[]): Finding[] => {
  const { gpus, status, warnings } = result
  const fatal = status === 'fail' && isFatal(test, result, categories)
  const text = warnings.length > 0 ? `: ${quote(warnings.join('; '))}` : ''
  const reason = WORDS[status] && `DCGM test ${test.name} ${WORDS[status]}${text}`
  const subjects = gpus.length > 0 ? gpus : ['node']
  // One sentence for each result, also for one about several GPUs.
  return subjects.map((subject, position) => ({
    ...createFinding(
      subject,
      normalizeName(test.name),
      status,
      '',
      STATUSES[status],
      position === 0 ? reason : '',
    ),
    fatal,
  }))
}

/** Returns the failed tests with their GPUs, in the form of IBM Autopilot: `memory_bandwidth.0.3`. */
const failuresOf = (tests: readonly DcgmTest[]): string[] =>
  tests.flatMap(({ name, results }) => {
    const failed = results.filter(({ status }) => status === 'fail')
    return failed.length > 0 ? [[normalizeName(name), ...failed.flatMap(({ gpus }) => gpus)].join('.')] : []
  })

const conclude = (
  report: DcgmReport,
  inventory: Inventory,
  output: Output,
  request: Parameters,
): Findings => {
  const tests = report.tests.filter((test) => isSelected(test, request))
  const failures = failuresOf(tests)
  const judged = tests.flatMap((test) => test.results.flatMap((result) => judge(test, result, request.fatal)))
  const ended = judged.some(({ status }) => status === FAIL || status === WARN)
  const failure = report.error || failureOf(output)
  const findings = [
    ...inventory.findings,
    createFinding('node', 'dcgm_version', report.version),
    createFinding('node', 'level', request.level),
    ...judged,
    createFinding('node', 'failed_tests', failures),
    // The exit code repeats that a test failed. Without a failed test, it means that the diagnostic did not finish.
    ...(report.error || (output.reason !== '' && !ended)
      ? [createFinding('dcgmi', 'end', quote(failure), '', ERROR, `did not finish: ${quote(failure)}`)]
      : []),
  ]
  const concluded = concludeGpus(inventory, findings, rawOf(output))
  // Skipped tests alone do not pass the check.
  return judged.every(({ status }) => status === SKIPPED) && concluded.status === PASS
    ? { ...concluded, status: SKIPPED, reasons: ['DCGM skipped every test'] }
    : concluded
}

/** The result when dcgmi printed no document: the reason, and the use of the GPUs that may have caused it. */
const withoutReport = async (deps: CheckDeps, inventory: Inventory, output: Output, signal: AbortSignal) => {
  const work = await findGpuUse(deps, inventory.gpus, signal)
  const why = quote(failureOf(output) || 'it wrote no result')
  return couldNotRun([`dcgmi: ${why}`, ...work], rawOf(output))
}

const missingTests = (report: DcgmReport, { tests }: Parameters): string[] =>
  tests.filter(
    (path) => !report.tests.some(({ name }) => canonical(path.split('.').at(-1)!) === canonical(name)),
  )

export const dcgm = defineCheck({
  name: 'dcgm',
  summary: "NVIDIA's own diagnostic finds no fault; levels 3 and 4 need idle GPUs.",
  invasive: false,
  budgetSeconds: BUDGET_SECONDS,
  budgetFor: ({ level, timeout: seconds }) => seconds ?? LEVEL_SECONDS[level]!,
  claim: 'gpus',
  parameters,
  requirements: async (deps) => [
    ...(await smiRequirements(deps)),
    ...((await findProgram(deps, 'dcgmi')) ? [] : [missing(deps, 'dcgmi', HINT)]),
  ],
  hasHardware: lacksDriver,
  run: async (deps, request, signal) => {
    const inventory = await listWholeGpus(deps, signal)
    if ('finalResult' in inventory) return inventory.finalResult
    const invasive = request.level >= INVASIVE_LEVEL && !request.force
    const work = invasive ? await findGpuUse(deps, inventory.gpus, signal) : []
    if (work.length > 0) return skippedInUse(work)
    const path = (await findProgram(deps, 'dcgmi')) ?? 'dcgmi'
    const args = ['diag', '-j', '-r', String(request.level)]
    const output = await runProgram(deps, path, args, signal, LEVEL_SECONDS[request.level]!)
    const report = parseDcgm(output.stdout)
    if (!report || (report.tests.length === 0 && report.error === ''))
      return withoutReport(deps, inventory, output, signal)
    const absent = missingTests(report, request)
    if (absent.length > 0)
      return {
        ...toFindings([
          createFinding(
            'node',
            'tests',
            absent,
            '',
            ERROR,
            `DCGM ran no test of these names: ${absent.join(', ')}`,
          ),
        ]),
        rawOutput: rawOf(output),
      }
    return conclude(report, inventory, output, request)
  },
})
