/**
 * Detects that a host does not get the processor time that a test needs. Each second is judged separately; a test is
 * affected when half of its seconds are short. The limits are far above what a busy but healthy host shows.
 */

import type { Clock } from '../../lib/clock.ts'
import { plausible, plausibleIn } from '../plausibility.ts'
import { type CpuTicks, parseCpuTicks } from './counters.ts'
import type { ReadText } from './files.ts'

/** Share of the processor time that the hypervisor gave to other virtual machines. */
const MAX_STEAL_RATIO = 0.3
/** Share of the time of one core that software interrupts took: it can receive no more packets. */
const MAX_SOFTIRQ_RATIO = 0.95
/** Share of the periods of the control group in which its processor quota was used up (cpu.max, CPU limit of a pod). */
const MAX_THROTTLED_RATIO = 0.5
/**
 * Share of the time in which this process waited for a processor. Agents of a healthy lab whose hosts share two saturated
 * cores wait 14 % (median; at most 57 % in one second); with a twentieth of a core, 70 %.
 */
const MAX_WAIT_RATIO = 0.6
/** Share of the seconds of a test that must be short. */
const MIN_SHORT_SECONDS_RATIO = 0.5
const INTERVAL_SECONDS = 1
/** Shorter intervals are too coarse: the kernel counts in ticks and periods of 10 and 100 ms. */
const MIN_INTERVAL_SECONDS = 0.5

type Reading = {
  seconds: number
  waitedSeconds: number
  cpus: Map<number, CpuTicks>
  periodCount: number
  throttledCount: number
}

/** Path of cpu.stat of this process's own control group, of version 1 or 2 (cgroups(7)). */
export const cpuStatPath = (cgroups: string): string => {
  const version1 = /^\d+:(?:[^:\n]*,)?cpu(?:,[^:\n]*)?:(.*)$/m.exec(cgroups)?.[1]
  const folder = version1 === undefined ? '' : '/cpu'
  const group = version1 ?? /^0::(.*)$/m.exec(cgroups)?.[1] ?? '/'
  return `/sys/fs/cgroup${folder}${group === '/' ? '' : group}/cpu.stat`
}

const readCounters = (read: ReadText, seconds: number): Reading => {
  const path = cpuStatPath(read('/proc/self/cgroup') ?? '')
  const throttling = read(path) ?? ''
  const count = (name: string) =>
    plausible('kernel.counter', new RegExp(`^${name} (\\d+)$`, 'm').exec(throttling)?.[1]) ?? 0
  // Time on the processor, time of waiting for it (both in ns), and number of time slices (sched-stats.rst of Linux).
  const waited = /^\d+ (\d+) /.exec(read('/proc/self/schedstat') ?? '')?.[1]
  return {
    seconds,
    waitedSeconds: plausibleIn('kernel.nanoseconds', waited, 1e-9) ?? 0,
    cpus: parseCpuTicks(read('/proc/stat') ?? ''),
    periodCount: count('nr_periods'),
    throttledCount: count('nr_throttled'),
  }
}

const ratio = (part: number, whole: number): number => (whole > 0 ? Math.max(0, part / whole) : 0)
const percent = (value: number): string => `${Math.round(100 * value)} %`

/** Why the host was short of processor time between two readings, as a verb with details; undefined when it was not. */
const shortageBetween = (before: Reading, after: Reading): string | undefined => {
  const cores = [...after.cpus].flatMap(([cpu, { total, steal, softirq }]) => {
    const old = before.cpus.get(cpu)
    return old ? [{ total: total - old.total, steal: steal - old.steal, softirq: softirq - old.softirq }] : []
  })
  const sum = (key: 'total' | 'steal') => cores.reduce((all, core) => all + core[key], 0)
  const throttled = ratio(
    after.throttledCount - before.throttledCount,
    after.periodCount - before.periodCount,
  )
  if (throttled >= MAX_THROTTLED_RATIO)
    return `could not keep up: its processor quota was used up in ${percent(throttled)} of the periods`
  const stolen = ratio(sum('steal'), sum('total'))
  if (stolen >= MAX_STEAL_RATIO)
    return `could not keep up: other virtual machines got ${percent(stolen)} of its time`
  const softirq = Math.max(0, ...cores.map((core) => ratio(core.softirq, core.total)))
  if (softirq >= MAX_SOFTIRQ_RATIO)
    return `could not keep up: one core spent ${percent(softirq)} of its time on software interrupts`
  const waited = ratio(after.waitedSeconds - before.waitedSeconds, after.seconds - before.seconds)
  if (waited >= MAX_WAIT_RATIO)
    return `could not keep up: it waited for a processor ${percent(Math.min(1, waited))} of the time`
  return undefined
}

export type CpuShortage = {
  /** Starts to observe for one test. The returned function says why the host was short of processor time; or ''. */
  begin(): () => string
}

export type CpuShortageWatch = CpuShortage & { close(): void }

/** Samples the host once per second until it is closed: two or three small files, about 0.1 ms. */
export const watchCpuShortage = ({ clock, read }: { clock: Clock; read: ReadText }): CpuShortageWatch => {
  const end = new AbortController()
  // Where the kernel does not tell, nothing is sampled.
  if (read('/proc/stat') === undefined) return { begin: () => () => '', close: () => undefined }
  let last = readCounters(read, clock.monotonicSeconds())
  let [seconds, shortSeconds] = [0, 0]
  let reason = ''
  const sample = (): void => {
    const now = clock.monotonicSeconds()
    const length = now - last.seconds
    if (length < MIN_INTERVAL_SECONDS) return
    const next = readCounters(read, now)
    const shortage = shortageBetween(last, next)
    seconds += length
    if (shortage !== undefined) {
      shortSeconds += length
      reason = shortage
    }
    last = next
  }
  void (async () => {
    while (!end.signal.aborted) {
      await clock.sleep(INTERVAL_SECONDS, end.signal).catch(() => undefined)
      sample()
    }
  })()
  return {
    begin: () => {
      sample()
      const [fromSeconds, fromShort] = [seconds, shortSeconds]
      return () => {
        sample()
        const isShort =
          shortSeconds > fromShort &&
          shortSeconds - fromShort >= MIN_SHORT_SECONDS_RATIO * (seconds - fromSeconds)
        return isShort ? reason : ''
      }
    },
    close: () => end.abort(),
  }
}
