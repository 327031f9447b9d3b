import { fileURLToPath } from 'node:url'
import type { Clock } from '../../lib/clock.ts'
import { type Commands, createCommands, systemPath } from './commands.ts'
import { stateRoot } from './state.ts'

/** What a lab needs of the machine. */
export type LabDeps = {
  clock: Clock
  commands: Commands
  /** Where the lab's programs are looked for. */
  path: string
  /** Holds one directory per lab. */
  stateRoot: string
  /** This process: whose death ends a lab that is not kept. */
  pid: number
  /** The command that tears lab `index` down, for the guard to run when nobody else is left. */
  downCommand(index: number): readonly string[]
}

/** The parts of `process` and `os` that a lab is told of. */
export type Machine = {
  pid: number
  uid: number
  environment: Readonly<Record<string, string | undefined>>
  temporaryDirectory: string
}

export const createLabDeps = (
  machine: Machine,
  clock: Clock,
  downCommand: (index: number) => readonly string[],
): LabDeps => ({
  clock,
  commands: createCommands(machine.environment),
  path: systemPath(machine.environment.PATH),
  stateRoot: stateRoot(machine.uid, machine.environment, machine.temporaryDirectory),
  pid: machine.pid,
  downCommand,
})

/** The down command where meshgauge runs from its sources; a bundle passes one of its own. */
export const sourceDownCommand =
  (node: string) =>
  (index: number): readonly string[] => [
    node,
    fileURLToPath(import.meta.resolve('./down.main.ts')),
    String(index),
  ]
