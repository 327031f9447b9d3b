/** Runs the handler of a command: passes its arguments and options, and returns its exit code. */

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

/** One call of a command: what the user typed, and what the handler needs to answer. */
export type Invocation<O> = {
  terminal: Terminal
  operands: readonly string[]
  /** The words after `--`, as typed. */
  passThrough: readonly string[]
  options: O & GlobalOptions
  /** Parses option values. Adds invalid ones to `problems`. */
  read: ValueReader
  problems: Problem[]
  /** Colours for stdout. */
  paint: Paint
  /** Colours for stderr. */
  stderrPaint: Paint
  /** Call before the first effect. @throws UsageError with all problems, if there are any */
  throwIfWrong(): void
  /** The TLS options. Their problems are already in `problems`. */
  security: Security
  /** Opens a channel to the chosen collector. Calls throwIfWrong first. */
  connect(): Promise<CollectorClient>
}

/** Connects to the collector, runs `work`, and closes the connection. */
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

/** Address of the collector of a running lab, if there is one. */
type FindLabCollector = (terminal: Terminal) => Promise<string | undefined>

export type App = {
  readonly terminal: Terminal
  /**
   * Sets the handler of a command. It accepts at most `maxOperands` arguments, and arguments after `--` only with
   * `passesThrough`.
   */
  handle<O extends object>(
    command: Command,
    maxOperands: number,
    handler: Handler<O>,
    settings?: { passesThrough: boolean },
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
  const names = command.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag != null)
  return command.parent ? [...names, ...optionNames(command.parent)] : names
}

/** Commander stops at the first unknown option. We report it together with all other problems. */
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
    problems.push({ place: word, message: 'is an unexpected argument' })
  }
  return operands.slice(0, maxOperands)
}

export const createApp = ({ terminal, passThrough, findLabCollector, onExit, onAddress }: AppDeps): App => ({
  terminal,
  handle: <O extends object>(
    command: Command,
    maxOperands: number,
    handler: Handler<O>,
    settings = { passesThrough: false },
  ) => {
    command.allowUnknownOption().allowExcessArguments()
    command.action(async () => {
      const options = command.optsWithGlobals<O & GlobalOptions>()
      const problems: Problem[] = []
      const operands = splitArguments(command, maxOperands, problems)
      if (passThrough.length > 0 && !settings.passesThrough)
        problems.push({
          place: '--',
          message: 'is not supported here: only run and schedules add pass arguments to netperf',
        })
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

/**
 * Joins the lines of each paragraph, so that a help text is wrapped at the width of the terminal and not as in the
 * source. Indented lines and lines that end with a colon keep their line break.
 */
export const joinParagraphs = (text: string): string => text.replace(/(?<=^\S.*[^:\n])\n(?=\S)/gm, ' ')

/** Adds example lines to a help text: the command line and its meaning. */
export const withExamples = (command: Command, examples: readonly (readonly [string, string])[]): Command => {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, meaning]) => `  ${line.padEnd(width)}  ${meaning}`.trimEnd())
  return command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'))
}
