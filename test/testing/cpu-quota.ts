/** Limits the CPU time of processes with a cgroup. Needs root, and version 1 or 2 of the cgroup filesystem. */

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from './eventually.ts'

const ROOT = '/sys/fs/cgroup'
const PERIOD_MICROSECONDS = 100_000

export type CpuQuota = {
  /** Share of the periods in which the processes had used up their time; 0 to 1. */
  throttledRatio(): number
  /** Removes the limit. The processes continue. */
  remove(): Promise<void>
}

const moveTo = (group: string, pids: readonly number[]): void => {
  for (const pid of pids) {
    try {
      writeFileSync(join(group, 'cgroup.procs'), String(pid))
    } catch (error) {
      // It has ended since it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
}

const pidsIn = (group: string): number[] =>
  readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number)

/**
 * Limits all given processes, and those that they start later, together.
 * @param cores CPU time per second of wall time: 0.5 is half a core
 */
export const limitCpu = (pids: readonly number[], cores: number): CpuQuota => {
  const isVersion2 = existsSync(join(ROOT, 'cgroup.controllers'))
  const parent = isVersion2 ? ROOT : join(ROOT, 'cpu')
  const group = join(parent, `meshgauge-test-${process.pid}-${pids[0]}`)
  mkdirSync(group)
  const quota = String(Math.round(cores * PERIOD_MICROSECONDS))
  if (isVersion2) {
    writeFileSync(join(parent, 'cgroup.subtree_control'), '+cpu')
    writeFileSync(join(group, 'cpu.max'), `${quota} ${PERIOD_MICROSECONDS}`)
  } else {
    writeFileSync(join(group, 'cpu.cfs_period_us'), String(PERIOD_MICROSECONDS))
    writeFileSync(join(group, 'cpu.cfs_quota_us'), quota)
  }
  moveTo(group, pids)
  const count = (name: string): number =>
    Number(new RegExp(`^${name} (\\d+)`, 'm').exec(readFileSync(join(group, 'cpu.stat'), 'utf8'))?.[1] ?? 0)
  return {
    throttledRatio: () => count('nr_throttled') / Math.max(1, count('nr_periods')),
    remove: async () => {
      await eventually(
        () => {
          moveTo(parent, pidsIn(group))
          return pidsIn(group).length
        },
        (left) => left === 0,
      )
      rmdirSync(group)
    },
  }
}
