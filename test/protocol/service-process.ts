import { createInterface } from 'node:readline'
import { execa } from 'execa'

/** An agent or a collector as a user starts it. */
export type ServiceProcess = {
  pid: number
  port: number
  httpPort: number
  /** Everything it logged so far. */
  log(): string
  stop(signal: NodeJS.Signals): Promise<void>
}

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/**
 * Starts `meshgauge agent …` or `meshgauge collector …` and waits until it says that it is ready.
 * @throws Error with its output when it ends before
 */
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

/** As `startProgram`, with the command of this repository. */
export const startService = (args: string[], env: Record<string, string> = {}): Promise<ServiceProcess> => {
  // What is measured without being asked would be among what a test counts.
  const quiet = args[0] === 'collector' ? ['--no-default-schedules'] : []
  return startProgram(MESHGAUGE, [...args, ...quiet], env)
}

export const startAgent = (...args: string[]): Promise<ServiceProcess> =>
  startService(['agent', '--node', 'n1', '--listen', '127.0.0.1:0', '--interface', 'lo=127.0.0.1', ...args])
