import { readFile } from 'node:fs/promises'

/** Identifies a process. The kernel reuses a pid, but not with the same start time (in clock ticks since boot). */
export type Identity = { pid: number; startTicks: number }

type Stat = { state: string; startTicks: number }

const isAbsent = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')

const readStat = async (pid: number): Promise<Stat | undefined> => {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in brackets. The name may contain spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { state: fields[0] ?? '', startTicks: Number(fields[19]) }
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw error
  }
}

export const identityOf = async (pid: number): Promise<Identity | undefined> => {
  const stat = await readStat(pid)
  return stat && { pid, startTicks: stat.startTicks }
}

/** True when the process exists and is not a zombie, which has already ended. */
export const isAlive = async ({ pid, startTicks }: Identity): Promise<boolean> => {
  const stat = await readStat(pid)
  return stat !== undefined && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X'
}

/** Parses `1234 567890`, the pid and start time that a started process records (see processes.ts). */
export const parseIdentity = (text: string): Identity | undefined => {
  const match = /^(\d+) (\d+)\s*$/.exec(text)
  return match ? { pid: Number(match[1]), startTicks: Number(match[2]) } : undefined
}

export const formatIdentity = ({ pid, startTicks }: Identity): string => `${pid} ${startTicks}\n`
