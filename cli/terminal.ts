import type { Clock } from '../lib/clock.ts'
import { createPaint, type Paint } from './render/paint.ts'

/** Where text goes. `columns` is only known of a terminal. */
export type OutputStream = {
  write(text: string): void
  readonly isTTY: boolean
  readonly columns: number | undefined
}

/** Everything a command touches of the world it was started in. */
export type Terminal = {
  /** Results: what a pipe should get. */
  readonly stdout: OutputStream
  /** Progress and trouble: what a person should see meanwhile. */
  readonly stderr: OutputStream
  readonly env: Readonly<Record<string, string | undefined>>
  readonly clock: Clock
  /** Calls the handler on each Ctrl-C (or SIGTERM) until the returned function is called. */
  onInterrupt(handler: () => void): () => void
  /** Calls the handler on each SIGHUP, which is then no interrupt, until the returned function is called. */
  onHangup(handler: () => void): () => void
  readonly machine: Machine
}

/** Who we are on this machine: for what starts other processes of meshgauge. */
type Machine = {
  readonly pid: number
  readonly uid: number
  readonly temporaryDirectory: string
  /** Node, its flags and the entry of this command: what starts another one of us. */
  readonly program: readonly string[]
  /**
   * Makes this process another program of meshgauge; never returns. For a service that lives for months and should not
   * carry the command line about. Undefined where it cannot be done.
   */
  readonly replaceProcess?: ((program: NodeProgram) => never) | undefined
}

/** A program that Node runs. */
export type NodeProgram = {
  /** Path of its first module. */
  readonly entry: string
  /** Flags of Node beyond those that this process has. */
  readonly flags: readonly string[]
  /** Added to the environment. */
  readonly environment: Readonly<Record<string, string>>
}

/** NO_COLOR as no-color.org has it: any value but the empty one. */
export const paintFor = (terminal: Terminal, stream: OutputStream, request: boolean): Paint =>
  createPaint(request && stream.isTTY && !terminal.env.NO_COLOR && terminal.env.TERM !== 'dumb')

export const printLine = (stream: OutputStream, text: string): void => stream.write(`${text}\n`)

/** One JSON document, as --json prints it. */
export const printJson = (stream: OutputStream, document: unknown): void =>
  printLine(stream, JSON.stringify(document, null, 2))
