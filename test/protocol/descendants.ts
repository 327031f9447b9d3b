import { readdirSync, readFileSync, statSync } from 'node:fs'

export type Process = { pid: number; parent: number; session: number; command: string }

/** Every process, from /proc, zombies left out. */
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
        // It ended while we looked.
        return []
      }
    })

/** The inode of a process's network namespace; 0 when it has ended. */
export const namespaceOf = (pid: number): number => {
  try {
    return statSync(`/proc/${pid}/ns/net`).ino
  } catch {
    return 0
  }
}

/** The measuring programs that a process has started, itself or through others. */
export const programsOf = (pid: number): Process[] => {
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

/** Waits until a condition holds; fails with what was last seen. The bound only ends a test that would fail anyway. */
export const eventually = async <T>(
  look: () => T | Promise<T>,
  good: (seen: T) => boolean,
  seconds = 60,
): Promise<T> => {
  const end = Date.now() + seconds * 1000
  while (true) {
    const seen = await look()
    if (good(seen)) return seen
    if (Date.now() > end) throw new Error(`still not so after ${seconds} s: ${JSON.stringify(seen)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
