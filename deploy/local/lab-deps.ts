import { fileURLToPath } from 'node:url'
import type { Clock } from '../../lib/clock.ts'
import { type Commands, createCommands, systemPath } from './commands.ts'
import { stateRoot } from './state.ts'

/** What the functions of a lab need from their caller. */
export type LabDeps = {
  clock: Clock
  commands: Commands
  /** The PATH for the lab's programs. */
  path: string
  /** The folder with one state directory per lab. */
  stateRoot: string
  /** The id of this process. It is stored in the lock of a lab. */
  pid: number
  /** The command that deletes lab `index`. The guard runs it when the owner has died. */
  downCommand(index: number): readonly string[]
}

/** What a lab needs to know of `process` and `os`. */
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

/** The down command where meshgauge runs from its sources. A packaged meshgauge passes another one. */
export const sourceDownCommand =
  (node: string) =>
  (index: number): readonly string[] => [
    node,
    fileURLToPath(import.meta.resolve('./down.main.ts')),
    String(index),
  ]
