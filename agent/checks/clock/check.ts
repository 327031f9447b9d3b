import { z } from 'zod'
import { formatDuration } from '../../../lib/units.ts'
import { type CheckDeps, defineCheck } from '../check.ts'
import {
  createFinding,
  type Finding,
  limitOf,
  PASS,
  skipped,
  statusAbove,
  toFindings,
  WARN,
} from '../findings.ts'
import { duration } from '../parameters.ts'
import { failureOf, findProgram, missing, rawOf, runProgram } from '../programs.ts'
import { type ClockState, parseChrony, parseNtpq, parseTimedate, parseTimesync } from './output.ts'

const parameters = z.strictObject({
  warn_offset: duration().default(0.05),
  fail_offset: duration().default(1),
})

type Source = {
  program: string
  args: readonly string[]
  parse: (text: string) => ClockState | undefined
  hint: string
}

/** The programs to query, the most precise first. */
const SOURCES: readonly Source[] = [
  { program: 'chronyc', args: ['-c', 'tracking'], parse: parseChrony, hint: 'it comes with chrony' },
  {
    program: 'timedatectl',
    args: ['timesync-status'],
    parse: parseTimesync,
    hint: 'it comes with systemd',
  },
  { program: 'ntpq', args: ['-n', '-c', 'rv'], parse: parseNtpq, hint: 'it comes with ntpsec' },
  { program: 'timedatectl', args: ['show'], parse: parseTimedate, hint: 'it comes with systemd' },
]

/** Longest time of each program; they answer immediately. */
const ASK_SECONDS = 5

const judge = (state: ClockState, limits: { warn: number; fail: number }): Finding[] => {
  const { keeper, source, stratum, offsetSeconds: offset, synchronised } = state
  const findings = [
    createFinding('clock', 'keeper', keeper),
    createFinding(
      'clock',
      'synchronised',
      synchronised,
      '',
      synchronised ? PASS : WARN,
      synchronised ? '' : `is not synchronised, according to ${keeper}`,
    ),
  ]
  if (source !== '') findings.push(createFinding('clock', 'source', source))
  if (stratum !== undefined) findings.push(createFinding('clock', 'stratum', stratum))
  if (offset === undefined) return findings
  const status = statusAbove(Math.abs(offset), limits)
  const off = formatDuration(Math.abs(offset))
  const reason =
    status === PASS
      ? ''
      : `is ${off} off ${source || 'its source'}, more than ${formatDuration(limitOf(status, limits))}`
  return [...findings, createFinding('clock', 'offset', offset, 'seconds', status, reason)]
}

/** Queries one program. Returns the reason as a string when it has no answer. */
const ask = async (deps: CheckDeps, source: Source, signal: AbortSignal) => {
  const path = await findProgram(deps, source.program)
  if (path === undefined) return missing(deps, source.program, source.hint)
  const output = await runProgram(deps, path, source.args, signal, ASK_SECONDS)
  const state = output.reason === '' ? source.parse(output.stdout) : undefined
  const words = [source.program, ...source.args].join(' ')
  if (!state) return `${words}: ${failureOf(output) || 'reports no time source'}`
  return { state, raw: rawOf(output) }
}

export const clockCheck = defineCheck({
  name: 'clock',
  summary: 'The clock is synchronised, and its offset is small.',
  invasive: false,
  budgetSeconds: 30,
  parameters,
  requirements: async (deps) => {
    const programs = [...new Map(SOURCES.map((source) => [source.program, source])).values()]
    const paths = await Promise.all(programs.map(({ program }) => findProgram(deps, program)))
    return paths.some((path) => path !== undefined)
      ? []
      : programs.map(({ program, hint }) => missing(deps, program, hint))
  },
  run: async (deps, { warn_offset: warn, fail_offset: fail }, signal) => {
    const reasons: string[] = []
    for (const source of SOURCES) {
      const answer = await ask(deps, source, signal)
      if (typeof answer !== 'string') return toFindings(judge(answer.state, { warn, fail }), answer.raw)
      reasons.push(answer)
    }
    return skipped([...new Set(reasons)])
  },
})
