import type { Clock } from '../lib/clock.ts'
import { createPaint, type Paint } from './render/paint.ts'

/** A stream for text. `columns` is its width, undefined unless it is a terminal. */
export type OutputStream = {
  write(text: string): void
  readonly isTTY: boolean
  readonly columns: number | undefined
}

/** The environment of a command: its streams, variables, clock and signals. */
export type Terminal = {
  /** Results. A pipe gets only these. */
  readonly stdout: OutputStream
  /** Progress, warnings and errors. */
  readonly stderr: OutputStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Calls the handler on each Ctrl-C or SIGTERM. The returned function removes the handler. */
  onInterrupt(handler: () => void): () => void
  /** Calls the handler on each SIGHUP, which then does not interrupt. The returned function removes the handler. */
  onHangup(handler: () => void): () => void
  /**
   * Runs work during which Ctrl-C and SIGTERM end the process at once, also while it blocks the event loop. Handlers
   * are not called in that time.
   */
  withDefaultSignals<T>(work: () => Promise<T>): Promise<T>
  readonly machine: Machine
}

/** What a command needs to start other meshgauge processes on this machine. */
type Machine = {
  readonly pid: number
  readonly uid: number
  readonly temporaryDirectory: string
  /** Command line that starts this command again: Node, its flags and the entry file. */
  readonly program: readonly string[]
  /**
   * Replaces this process with another meshgauge program (execve) and never returns. A long-running service then does
   * not keep the memory of the command line. Undefined where execve is not available.
   */
  readonly replaceProcess?: ((program: NodeProgram) => never) | undefined
}

/** A program for Node. */
export type NodeProgram = {
  /** Path of its first module. */
  readonly entry: string
  /** Flags for Node in addition to those of this process. */
  readonly flags: readonly string[]
  /** Added to the environment. */
  readonly environment: Readonly<Record<string, string>>
}

/** Colours for a terminal, unless the user or NO_COLOR (any non-empty value, see no-color.org) turns them off. */
export const paintFor = (terminal: Terminal, stream: OutputStream, request: boolean): Paint =>
  createPaint(request && stream.isTTY && !terminal.env.NO_COLOR && terminal.env.TERM !== 'dumb')

export const printLine = (stream: OutputStream, text: string): void => stream.write(`${text}\n`)

/** Prints one indented JSON document, for --json. */
export const printJson = (stream: OutputStream, document: unknown): void =>
  printLine(stream, JSON.stringify(document, null, 2))
