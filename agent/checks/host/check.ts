import { z } from 'zod'
import { formatBytes, formatRatio } from '../../../lib/units.ts'
import { plausible } from '../../plausibility.ts'
import { type CheckDeps, defineCheck } from '../check.ts'
import {
  createFinding,
  type Finding,
  limitOf,
  PASS,
  SKIPPED,
  statusAbove,
  statusBelow,
  type Thresholds,
  toFindings,
  WARN,
} from '../findings.ts'
import { duration, ratio } from '../parameters.ts'
import { listNames, readHostFile } from '../programs.ts'
import { judgeLog } from './kernel-log.ts'
import { readKernelLog } from './log-source.ts'
import { type CpuTimes, parseCpuCount, parseLoad, parseMeminfo, parsePressure, parseStat } from './output.ts'

const parameters = z.strictObject({
  /** One-minute load average for each CPU. */
  warn_load: z.number().positive().default(2),
  fail_load: z.number().positive().optional(),
  /** Available memory as a share of all memory. */
  warn_memory: ratio().default(0.05),
  fail_memory: ratio().default(0.01),
  /** CPU time that the hypervisor gave to other guests. */
  warn_steal: ratio().default(0.05),
  fail_steal: ratio().default(0.3),
  /** Share of the last minute in which all tasks were stalled on memory or I/O. */
  warn_pressure: ratio().default(0.2),
  fail_pressure: ratio().optional(),
  /** Time over which CPU and throttle counters are compared. */
  watch: duration()
    .refine((seconds) => seconds > 0 && seconds <= 60, 'must be up to 60s')
    .default(1),
  /** Age of the oldest message of the kernel log that counts. */
  log_since: duration().default(3600),
})

type Parameters = z.output<typeof parameters>

const loadFindings = (load: number | undefined, cpus: number, limits: Thresholds): Finding[] => {
  if (load === undefined || cpus === 0) return []
  const perCpu = load / cpus
  const status = statusAbove(perCpu, limits)
  const reason =
    status === PASS
      ? ''
      : `is ${perCpu.toFixed(1)} a CPU, more than ${limitOf(status, limits)}: ${load} on ${cpus}`
  return [
    createFinding('load', 'load_per_cpu', perCpu, '', status, reason),
    createFinding('load', 'cpu_count', cpus, 'count'),
  ]
}

const memoryFindings = (text: string, limits: Thresholds): Finding[] => {
  const memory = parseMeminfo(text)
  if (!memory) return []
  const share = memory.availableBytes / memory.totalBytes
  const status = statusBelow(share, limits)
  const reason =
    status === PASS
      ? ''
      : `only ${formatBytes(memory.availableBytes)} (${formatRatio(share)}) of ${formatBytes(memory.totalBytes)} available`
  return [
    createFinding('memory', 'available', memory.availableBytes, 'bytes', status, reason),
    createFinding('memory', 'total', memory.totalBytes, 'bytes'),
  ]
}

const stealFindings = (
  before: CpuTimes | undefined,
  after: CpuTimes | undefined,
  limits: Thresholds,
): Finding[] => {
  const total = (after?.total ?? 0) - (before?.total ?? 0)
  if (!before || !after || total <= 0) return []
  const steal = Math.max(0, after.steal - before.steal) / total
  const busy = 1 - (after.idle - before.idle) / total
  const status = statusAbove(steal, limits)
  const reason =
    status === PASS
      ? ''
      : `the hypervisor gives ${formatRatio(steal)} of this node's CPU time to other guests`
  return [
    createFinding('cpu', 'steal', steal, 'ratio', status, reason),
    createFinding('cpu', 'busy', Math.min(1, Math.max(0, busy)), 'ratio'),
  ]
}

/** Pressure stall information; kernels may be built or booted without it. */
const pressureFindings = async (deps: CheckDeps, limits: Thresholds): Promise<Finding[]> => {
  const findings = await Promise.all(
    (['memory', 'io'] as const).map(async (resource) => {
      const share = parsePressure((await readHostFile(deps, `proc/pressure/${resource}`)) ?? '', 'full')
      if (share === undefined) return []
      const status = statusAbove(share, limits)
      const reason =
        status === PASS ? '' : `all tasks were stalled for ${formatRatio(share)} of the last minute`
      return [createFinding(`${resource} pressure`, 'stalled', share, 'ratio', status, reason)]
    }),
  )
  return findings.flat()
}

/** Number of times that a CPU was slowed down by heat since boot; undefined where CPUs do not count it. */
const readThrottles = async (deps: CheckDeps): Promise<number | undefined> => {
  const cpus = (await listNames(deps, 'sys/devices/system/cpu')).filter((name) => /^cpu\d+$/.test(name))
  const counts = await Promise.all(
    cpus.map((cpu) =>
      readHostFile(deps, `sys/devices/system/cpu/${cpu}/thermal_throttle/core_throttle_count`),
    ),
  )
  const known = counts.flatMap((text) => plausible('kernel.counter', text) ?? [])
  return known.length === 0 ? undefined : known.reduce((sum, count) => sum + count, 0)
}

const throttleFindings = (
  before: number | undefined,
  after: number | undefined,
  seconds: number,
): Finding[] => {
  if (before === undefined || after === undefined) return []
  const growth = Math.max(0, after - before)
  const reason = growth > 0 ? `CPUs were slowed down by heat ${growth} times in ${seconds} s` : ''
  return [
    createFinding('cpu', 'thermal_throttles', growth, 'count', growth > 0 ? WARN : PASS, reason),
    createFinding('cpu', 'thermal_throttles_since_boot', after, 'count'),
  ]
}

const logFindings = async (deps: CheckDeps, seconds: number, signal: AbortSignal): Promise<Finding[]> => {
  const log = await readKernelLog(deps, seconds, signal)
  if ('reasons' in log) {
    return [
      createFinding(
        'kernel log',
        'readable',
        false,
        '',
        SKIPPED,
        `was not checked: ${log.reasons.join('; ')}`,
      ),
    ]
  }
  return [createFinding('kernel log', 'message_count', log.entries.length, 'count'), ...judgeLog(log.entries)]
}

const watch = async (deps: CheckDeps, request: Parameters, signal: AbortSignal): Promise<Finding[]> => {
  const look = async () => ({
    stat: (await readHostFile(deps, 'proc/stat')) ?? '',
    throttles: await readThrottles(deps),
  })
  const before = await look()
  await deps.clock.sleep(request.watch, signal)
  const after = await look()
  const load = parseLoad((await readHostFile(deps, 'proc/loadavg')) ?? '')
  return [
    ...loadFindings(load, parseCpuCount(after.stat), { warn: request.warn_load, fail: request.fail_load }),
    ...stealFindings(parseStat(before.stat), parseStat(after.stat), {
      warn: request.warn_steal,
      fail: request.fail_steal,
    }),
    ...throttleFindings(before.throttles, after.throttles, request.watch),
  ]
}

export const host = defineCheck({
  name: 'host',
  summary:
    'Load, memory, steal, heat and pressure are within limits, and the kernel log has no hardware errors.',
  invasive: false,
  budgetSeconds: 120,
  parameters,
  requirements: async (deps) =>
    (await readHostFile(deps, 'proc/stat')) === undefined
      ? ['there is no /proc to read: this is not Linux']
      : [],
  run: async (deps, request, signal) => {
    const [watched, pressure, log, meminfo] = await Promise.all([
      watch(deps, request, signal),
      pressureFindings(deps, { warn: request.warn_pressure, fail: request.fail_pressure }),
      logFindings(deps, request.log_since, signal),
      readHostFile(deps, 'proc/meminfo'),
    ])
    const memory = memoryFindings(meminfo ?? '', { warn: request.warn_memory, fail: request.fail_memory })
    return toFindings([...watched, ...memory, ...pressure, ...log])
  },
})
