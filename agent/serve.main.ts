/**
 * The entry point of the agent process. The command line executes it after it has read its options, so that an agent,
 * which runs for months on every node, has no part of the command line in its memory.
 */

import { OperatingError } from '../lib/errors.ts'
import { runAgent } from './main.ts'
import { type AgentOptions, OPTIONS_VARIABLE } from './options.ts'

/** Exit codes, the same as those of the command line: wrong usage, could not measure, ended by a signal. */
const EXIT = { usage: 2, notMeasured: 3, interrupted: 130 }

const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A second signal exits immediately; the process guard still ends the agent's programs.
    if (stopping.signal.aborted) process.exit(EXIT.interrupted)
    stopping.abort()
  })
}

/** A bug must not look like a verdict, which Node's own exit code 1 would mean. */
const fail = (error: unknown): never => {
  const isOperating = error instanceof OperatingError
  const bug = error instanceof Error ? error.stack : String(error)
  process.stderr.write(isOperating ? `${error.message}\n` : `A bug in meshgauge: ${bug}\n`)
  process.exit(isOperating ? EXIT.usage : EXIT.notMeasured)
}
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

const text = process.env[OPTIONS_VARIABLE]
if (text === undefined) fail(new OperatingError('SPEC_INVALID', 'start an agent with "meshgauge agent"'))
delete process.env[OPTIONS_VARIABLE]
await runAgent(JSON.parse(text ?? '{}') as AgentOptions, { signal: stopping.signal }).catch(fail)
