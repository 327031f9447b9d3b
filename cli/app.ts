/** What every command is made of. */

import type { Command } from 'commander'
import { closest } from '../lib/config.ts'
import type { Security } from '../lib/credentials.ts'
import { type CollectorClient, connect, DEFAULT_COLLECTOR, type GlobalOptions } from './client/connection.ts'
import { type Problem, throwIfProblems } from './command-errors.ts'
import type { ExitCode } from './exit-codes.ts'
import { readSecurity } from './options/tls-options.ts'
import { createValueReader, type ValueReader } from './options/value-reader.ts'
import type { Paint } from './render/paint.ts'
import { paintFor, type Terminal } from './terminal.ts'

/** One call of a command: what was typed, and what it needs to answer. */
export type Invocation<O> = {
  terminal: Terminal
  operands: readonly string[]
  /** What stands after `--`, as it was typed. */
  passThrough: readonly string[]
  options: O & GlobalOptions
  /** Reads values; what it refuses is in `problems`. */
  read: ValueReader
  problems: Problem[]
  /** For stdout. */
  paint: Paint
  /** For stderr. */
  stderrPaint: Paint
  /** Throws UsageError when anything typed was wrong. To be called before anything is done. */
  throwIfWrong(): void
  /** The TLS options; their problems are noted already. */
  security: Security
  /** The collector that is meant. Calls throwIfWrong. */
  connect(): Promise<CollectorClient>
}

/** Opens the collector for as long as `work` takes. */
export const withClient = async (
  invocation: Pick<Invocation<object>, 'connect'>,
  work: (client: CollectorClient) => Promise<ExitCode>,
): Promise<ExitCode> => {
  const client = await invocation.connect()
  try {
    return await work(client)
  } finally {
    client.close()
  }
}

export type Handler<O> = (invocation: Invocation<O>) => Promise<ExitCode>

/** Where a lab that is up has its collector, if one is. */
type FindLabCollector = (terminal: Terminal) => Promise<string | undefined>

export type App = {
  readonly terminal: Terminal
  /**
   * Makes a handler the action of a command; at most `maxOperands` words may be typed, and words after `--` only where
   * the command passes them through.
   */
  handle<O extends object>(
    command: Command,
    maxOperands: number,
    handler: Handler<O>,
    more?: { passesThrough: boolean },
  ): void
}

export type AppDeps = {
  terminal: Terminal
  passThrough: readonly string[]
  findLabCollector: FindLabCollector
  onExit(code: ExitCode): void
  onAddress(address: string): void
}

const optionNames = (command: Command): string[] => {
  const own = command.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag != null)
  return command.parent ? [...own, ...optionNames(command.parent)] : own
}

/** Commander would stop at the first unknown option; we tell it with all the other problems. */
const splitArguments = (command: Command, maxOperands: number, problems: Problem[]): string[] => {
  const firstUnknown = command.args.findIndex((word) => word.startsWith('-') && word.length > 1)
  const operands = firstUnknown === -1 ? command.args : command.args.slice(0, firstUnknown)
  if (firstUnknown !== -1) {
    for (const word of command.args.slice(firstUnknown)) {
      if (!word.startsWith('-')) continue
      const flag = word.replace(/=.*$/s, '')
      const meant = closest(flag, optionNames(command))
      problems.push({ place: flag, message: `is not an option${meant ? `; did you mean ${meant}?` : ''}` })
    }
  }
  for (const word of operands.slice(maxOperands)) {
    problems.push({ place: word, message: 'is one word too many' })
  }
  return operands.slice(0, maxOperands)
}

export const createApp = ({ terminal, passThrough, findLabCollector, onExit, onAddress }: AppDeps): App => ({
  terminal,
  handle: <O extends object>(
    command: Command,
    maxOperands: number,
    handler: Handler<O>,
    more = { passesThrough: false },
  ) => {
    command.allowUnknownOption().allowExcessArguments()
    command.action(async () => {
      const options = command.optsWithGlobals<O & GlobalOptions>()
      const problems: Problem[] = []
      const operands = splitArguments(command, maxOperands, problems)
      if (passThrough.length > 0 && !more.passesThrough)
        problems.push({ place: '--', message: 'has no meaning here; only run passes words on to netperf' })
      const colour = options.color !== false
      const security = readSecurity(options, problems)
      const throwIfWrong = () => throwIfProblems(problems)
      const exit = await handler({
        terminal,
        operands,
        passThrough,
        options,
        problems,
        read: createValueReader(problems),
        paint: paintFor(terminal, terminal.stdout, colour),
        stderrPaint: paintFor(terminal, terminal.stderr, colour),
        throwIfWrong,
        security,
        connect: async () => {
          throwIfWrong()
          const named = options.collector ?? terminal.env.MESHGAUGE_COLLECTOR
          const address = named || ((await findLabCollector(terminal)) ?? DEFAULT_COLLECTOR)
          onAddress(address)
          return connect(address, security)
        },
      })
      onExit(exit)
    })
  },
})

/** Lines of examples under a help text. */
export const withExamples = (command: Command, examples: readonly (readonly [string, string])[]): Command => {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, meaning]) => `  ${line.padEnd(width)}  ${meaning}`.trimEnd())
  return command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'))
}
