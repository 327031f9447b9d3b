/** Parses load, memory and pressure of a host. */

import { plausible, plausibleIn } from '../../plausibility.ts'

/** Sums up the jiffies of all CPUs, from the first line of /proc/stat. */
export type CpuTimes = { total: number; idle: number; steal: number }

export const parseStat = (text: string): CpuTimes | undefined => {
  const fields = /^cpu\s+(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/) ?? []
  // user nice system idle iowait irq softirq steal; guest time is already in user.
  const used = fields.slice(0, 8).flatMap((field) => plausible('kernel.ticks', field) ?? [])
  if (used.length < 8) return undefined
  return { total: used.reduce((sum, value) => sum + value, 0), idle: used[3]! + used[4]!, steal: used[7]! }
}

export const parseCpuCount = (text: string): number => text.match(/^cpu\d+ /gm)?.length ?? 0

/** Parses the one-minute load average. */
export const parseLoad = (text: string): number | undefined => plausible('kernel.load', text.split(' ')[0])

export const parseMeminfo = (text: string): { totalBytes: number; availableBytes: number } | undefined => {
  const bytesOf = (name: string) =>
    plausibleIn('kernel.memory', new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1], 1024)
  const totalBytes = bytesOf('MemTotal')
  const availableBytes = bytesOf('MemAvailable')
  return totalBytes && availableBytes !== undefined ? { totalBytes, availableBytes } : undefined
}

/** Parses the share of the last minute in which all tasks (`full`) or at least one (`some`) were stalled. */
export const parsePressure = (text: string, line: 'some' | 'full'): number | undefined => {
  const percent = new RegExp(`^${line} .*\\bavg60=(\\d+(?:\\.\\d+)?)`, 'm').exec(text)?.[1]
  return plausibleIn('kernel.pressure', percent, 0.01)
}
