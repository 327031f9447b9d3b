// Shared by all benchmarks: medians, goals, and the CPU and memory of processes.

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { processes } from '../testing/process-tree.ts'

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Prints a figure and its goal. A missed goal makes the benchmark fail. */
export const expectAtLeast = (what: string, value: number, goal: number): void => {
  const reached = value >= goal
  console.log(`${reached ? '✔' : '✘'} ${what}: ${value.toFixed(3)} (goal: at least ${goal})`)
  if (!reached) process.exitCode = 1
}

export const expectAtMost = (what: string, value: number, goal: number, unit = ''): void => {
  const reached = value <= goal
  console.log(`${reached ? '✔' : '✘'} ${what}: ${value.toFixed(3)}${unit} (goal: at most ${goal}${unit})`)
  if (!reached) process.exitCode = 1
}

/** The kernel reports CPU time in ticks of 10 ms (USER_HZ) on all supported architectures. */
const TICKS_PER_SECOND = 100

/** CPU time of a process in ticks; 0 when it has ended. */
const ticksOf = (pid: number): number => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return Number(fields[11]) + Number(fields[12])
  } catch {
    return 0
  }
}

const residentBytes = (pid: number): number =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024

/** Resident memory of a process, and how much of it is files, which processes share. */
export const memoryOf = (pid: number) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024
  const [resident, files, own] = [mebibytes('VmRSS'), mebibytes('RssFile'), mebibytes('RssAnon')]
  const text = `${resident.toFixed(0)} MiB resident, ${files.toFixed(0)} of them files, ${own.toFixed(0)} its own`
  return { residentMebibytes: resident, text }
}

/** CPU time divided by wall time (1 is one core) of a process and of its children, and the memory of the process. */
export const costOf = async (pid: number, seconds: number) => {
  const children = processes()
    .filter(({ parent }) => parent === pid)
    .map((child) => child.pid)
  const ticks = () => [ticksOf(pid), children.reduce((sum, child) => sum + ticksOf(child), 0)] as const
  const [own, others] = ticks()
  const start = performance.now()
  await sleep(seconds * 1000)
  const wall = (performance.now() - start) / 1000
  const [ownAfter, othersAfter] = ticks()
  return {
    cpuRatio: (ownAfter - own) / TICKS_PER_SECOND / wall,
    childrenCpuRatio: (othersAfter - others) / TICKS_PER_SECOND / wall,
    residentMebibytes: residentBytes(pid) / 2 ** 20,
  }
}
