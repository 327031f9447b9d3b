/** Runs the handler of a command: passes its arguments and options, and returns its exit code. */

import type { Command } from 'commander'
import { closest } from '../lib/config.ts'
import type { Security } from '../lib/credentials.ts'
import { type CollectorClient, connect, DEFAULT_COLLECTOR, type GlobalOptions } from './client/connection.ts'
import { type Problem, throwIfProblems, UsageError } from './command-errors.ts'
import { problemsOfRequest } from './describe-error.ts'
import type { ExitCode } from './exit-codes.ts'
import { mergeProblems, type Typed } from './options/request-fields.ts'
import { readSecurity } from './options/tls-options.ts'
import { createValueReader, type ValueReader } from './options/value-reader.ts'
import type { Paint } from './render/paint.ts'
import { paintFor, printLine, type Terminal } from './terminal.ts'
import { WATCH_HELP, watchable } from './watch-lists.ts'

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
  /**
   * If there are problems already, adds those that the collector finds in the request, so that all are reported together.
   * Does nothing if there are none, because then the request itself reports them, or if the collector does not answer.
   */
  reviewWithCollector(review: (client: CollectorClient, deadline: number) => Promise<unknown>): Promise<void>
}

/** How long a command that has problems already waits for those that the collector finds. */
const REVIEW_DEADLINE_MS = 5000

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

/** The labs on this machine that run a collector, with its address. */
type FindLabCollectors = (terminal: Terminal) => Promise<{ lab: number; address: string }[]>

export type App = {
  readonly terminal: Terminal
  /**
   * Sets the handler of a command. It accepts at most `maxOperands` arguments, and arguments after `--` only with
   * `passesThrough`. A list also accepts --watch.
   */
  handle<O extends object>(
    command: Command,
    maxOperands: number,
    handler: Handler<O>,
    settings?: { passesThrough?: boolean; isList?: boolean },
  ): void
}

export type AppDeps = {
  terminal: Terminal
  passThrough: readonly string[]
  findLabCollectors: FindLabCollectors
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

/** Returns the address of the collector to call, or adds a problem if several labs run one. */
const chooseCollector = async (
  { terminal, findLabCollectors }: AppDeps,
  { collector, json }: GlobalOptions,
  problems: Problem[],
): Promise<string> => {
  const named = collector || terminal.env.MESHGAUGE_COLLECTOR
  if (named) return named
  const labs = await findLabCollectors(terminal)
  const [only, ...others] = labs
  if (!only) return DEFAULT_COLLECTOR
  if (others.length > 0) {
    const list = labs.map(({ lab, address }) => `${address} (lab ${lab})`).join(', ')
    problems.push({
      place: '--collector',
      message: `is missing: ${labs.length} labs run a collector: ${list}`,
    })
  } else if (!json) printLine(terminal.stderr, `Collector of lab ${only.lab} at ${only.address}`)
  return only.address
}

/** The options that were given, and all options and arguments of a command, with those of its parents. */
const typedOf = (command: Command): Typed => {
  const given = new Set<string>()
  const known = new Set<string>()
  for (let each: Command | null = command; each; each = each.parent) {
    for (const option of each.options) {
      if (!option.long) continue
      known.add(option.long)
      if (each.getOptionValue(option.attributeName()) !== undefined) given.add(option.long)
    }
    for (const argument of each.registeredArguments) known.add(argument.name())
  }
  return { given, known }
}

/** What the handler of one call gets. */
const createInvocation = <O extends object>(
  deps: AppDeps,
  command: Command,
  maxOperands: number,
  typed: Typed,
): Invocation<O> => {
  const { terminal, passThrough } = deps
  const options = command.optsWithGlobals<O & GlobalOptions>()
  const problems: Problem[] = []
  const operands = splitArguments(command, maxOperands, problems)
  const colour = options.color !== false
  const security = readSecurity(options, problems)
  const throwIfWrong = () => throwIfProblems(problems)
  let address: string | undefined
  const open = async (): Promise<CollectorClient> => {
    address ??= await chooseCollector(deps, options, problems)
    deps.onAddress(address)
    return connect(address, security)
  }
  return {
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
      const client = await open()
      throwIfWrong()
      return client
    },
    reviewWithCollector: async (review) => {
      if (problems.length === 0) return
      try {
        const client = await open()
        await review(client, REVIEW_DEADLINE_MS).finally(() => client.close())
      } catch (error) {
        // Without an answer, the problems that are known are reported.
        mergeProblems(problems, problemsOfRequest(error, typed) ?? [])
      }
    },
  }
}

export const createApp = (deps: AppDeps): App => ({
  terminal: deps.terminal,
  handle: <O extends object>(
    command: Command,
    maxOperands: number,
    handler: Handler<O>,
    settings: { passesThrough?: boolean; isList?: boolean } = {},
  ) => {
    command.allowUnknownOption().allowExcessArguments()
    if (settings.isList) command.option('--watch', WATCH_HELP)
    const handle = settings.isList ? watchable(handler) : handler
    command.action(async () => {
      const typed = typedOf(command)
      const invocation = createInvocation<O>(deps, command, maxOperands, typed)
      if (deps.passThrough.length > 0 && !settings.passesThrough)
        invocation.problems.push({
          place: '--',
          message: 'is not supported here: only run and schedules add pass arguments to netperf',
        })
      try {
        deps.onExit(await handle(invocation))
      } catch (error) {
        const problems = problemsOfRequest(error, typed)
        throw problems ? new UsageError(problems) : error
      }
    })
  },
})

/**
 * Joins the lines of each paragraph, so that a help text is wrapped at the width of the terminal and not as in the
 * source. Indented lines and lines that end with a colon keep their line break.
 */
export const joinParagraphs = (text: string): string => text.replace(/(?<=^\S.*[^:\n])\n(?=\S)/gm, ' ')

/** Help is at most this wide, as tables are, so that no terminal of 100 columns wraps it again. */
export const HELP_WIDTH = 100

/**
 * Adds example lines to a help text: the command line, and its meaning next to it, or below it where a line would be too
 * long.
 */
export const withExamples = (command: Command, examples: readonly (readonly [string, string])[]): Command => {
  const width = Math.max(...examples.map(([line]) => line.length))
  const isNarrow = examples.every(([, meaning]) => width + meaning.length + 4 <= HELP_WIDTH)
  const lines = examples.flatMap(([line, meaning]) =>
    isNarrow || meaning === ''
      ? [`  ${line.padEnd(width)}  ${meaning}`.trimEnd()]
      : [`  ${line}`, `      ${meaning}`],
  )
  return command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'))
}
