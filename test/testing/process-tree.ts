import { readdirSync, readFileSync, statSync } from 'node:fs'

export type Process = { pid: number; parent: number; session: number; command: string }

/** All processes in /proc except zombies. */
export const processes = (): Process[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): Process[] => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        if (state === 'Z') return []
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        return [{ pid: Number(name), parent: Number(parent), session: Number(session), command }]
      } catch {
        // The process ended after readdir.
        return []
      }
    })

/** The inode of a process's network namespace; 0 when the process has ended. */
export const networkNamespaceOf = (pid: number): number => {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino
  } catch {
    return 0
  }
}

/** The measurement programs among all descendants of a process. */
export const measuringProgramsOf = (pid: number): Process[] => {
  const all = processes()
  const found: Process[] = []
  const queue = [pid]
  while (queue.length > 0) {
    const parent = queue.shift()
    for (const child of all) {
      if (child.parent !== parent) continue
      queue.push(child.pid)
      if (/^\S*(iperf3|fping|ping|pmcd|pmlogger)\b/.test(child.command)) found.push(child)
    }
  }
  return found
}
