import { createInterface } from 'node:readline'
import { execa } from 'execa'

/** A running agent or collector process. */
export type ServiceProcess = {
  pid: number
  port: number
  httpPort: number
  /** Its log up to now. */
  log(): string
  stop(signal: NodeJS.Signals): Promise<void>
}

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** Starts an agent or a collector and waits for its log line "ready". Rejects with its output when it ends earlier. */
export const startProgram = async (
  program: string,
  args: string[],
  env: Record<string, string> = {},
): Promise<ServiceProcess> => {
  const child = execa(program, args, {
    reject: false,
    stdin: 'ignore',
    env,
    buffer: false,
  })
  const lines: string[] = []
  const ended = child.then(() => undefined)
  const ready = Promise.withResolvers<{ port: number; httpPort: number }>()
  createInterface({ input: child.stderr! }).on('line', (line) => {
    lines.push(line)
    if (/"msg":"(agent|collector) ready"/.test(line)) ready.resolve(JSON.parse(line))
  })
  void ended.then(() => ready.reject(new Error(`meshgauge ${args.join(' ')} ended:\n${lines.join('\n')}`)))
  const { port, httpPort } = await ready.promise
  return {
    pid: child.pid!,
    port,
    httpPort,
    log: () => lines.join('\n'),
    stop: async (signal) => {
      child.kill(signal)
      await ended
    },
  }
}

/** Like `startProgram`, with this repository's `meshgauge` command. */
export const startService = (args: string[], env: Record<string, string> = {}): Promise<ServiceProcess> => {
  // Default schedules would add measurements that tests do not expect.
  const noSchedules = args[0] === 'collector' ? ['--no-default-schedules'] : []
  return startProgram(MESHGAUGE, [...args, ...noSchedules], env)
}

/** Starts an agent `n1` on a free loopback port, with the interface `lo`. */
export const startAgent = (...args: string[]): Promise<ServiceProcess> =>
  startService(['agent', '--node', 'n1', '--listen', '127.0.0.1:0', '--interface', 'lo=127.0.0.1', ...args])
