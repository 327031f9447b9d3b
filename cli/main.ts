/** The entry point of the command: connects streams, signals and the exit code of the process to `runCommandLine`. */

import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../lib/clock.ts'
import { EXIT } from './exit-codes.ts'
import { runCommandLine } from './program.ts'
import type { NodeProgram, OutputStream, Terminal } from './terminal.ts'

/** The process exits at this many interrupts, even if it is still cleaning up. */
const MAX_INTERRUPTS = 4

const outputOf = (stream: NodeJS.WriteStream): OutputStream => ({
  write: (text) => {
    stream.write(text)
  },
  get isTTY() {
    return stream.isTTY === true
  },
  get columns() {
    return stream.isTTY ? stream.columns : undefined
  },
})

// A reader that closes the pipe early, such as `head`, is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(EXIT.healthy)
})

const register = (to: Set<() => void>, handler: () => void) => {
  // A new function for each call: the same handler may be registered twice.
  const entry = () => handler()
  to.add(entry)
  return () => to.delete(entry)
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Passes signals to the registered handlers. Without one, a signal ends the process. */
const handleSignals = (): Pick<Terminal, 'onInterrupt' | 'onHangup' | 'withDefaultSignals'> => {
  const handlers = new Set<() => void>()
  const hangupHandlers = new Set<() => void>()
  let interrupts = 0
  const listener = (signal: NodeJS.Signals): void => {
    if (signal === 'SIGHUP' && hangupHandlers.size > 0) {
      for (const handler of [...hangupHandlers]) handler()
      return
    }
    interrupts++
    if (handlers.size === 0 || interrupts >= MAX_INTERRUPTS) process.exit(EXIT.interrupted)
    for (const handler of [...handlers]) handler()
  }
  const listen = () => {
    for (const signal of SIGNALS) process.on(signal, listener)
  }
  listen()
  return {
    withDefaultSignals: async (work) => {
      for (const signal of SIGNALS) process.off(signal, listener)
      try {
        return await work()
      } finally {
        listen()
      }
    },
    onInterrupt: (handler) => register(handlers, handler),
    onHangup: (handler) => register(hangupHandlers, handler),
  }
}

const replaceProcess = ({ entry, flags, environment }: NodeProgram): never => {
  // Keeps the typed arguments on the command line of the process, so that `ps` shows them.
  const args = [process.execPath, ...process.execArgv, ...flags, entry]
  process.execve?.(process.execPath, [...args, ...process.argv.slice(2)], { ...process.env, ...environment })
  throw new Error('execve has returned')
}

const terminal: Terminal = {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  env: process.env,
  clock: systemClock,
  ...handleSignals(),
  machine: {
    pid: process.pid,
    uid: process.getuid?.() ?? -1,
    temporaryDirectory: tmpdir(),
    program: [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)],
    replaceProcess: process.execve === undefined ? undefined : replaceProcess,
  },
}

/** Node exits with 1 after an uncaught error, which here means a verdict. A bug must not look like one. */
const fail = (error: unknown): never => {
  process.stderr.write(`A bug in meshgauge: ${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(EXIT.notMeasured)
}
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

process.exitCode = await runCommandLine(process.argv.slice(2), terminal).catch(fail)
