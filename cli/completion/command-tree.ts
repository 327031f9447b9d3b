/** The commands with their options and arguments, as completion scripts need them. Read from commander. */

import type { Command, Option } from 'commander'
import { topologies } from '../../collector/topology/registry.ts'
import { ENGINES } from '../../lib/engines.ts'
import { joinParagraphs } from '../app.ts'
import { firstSentence } from '../render/figures.ts'

export type CompletedOption = {
  flags: readonly string[]
  description: string
  takesValue: boolean
  /** The possible values, as far as they are known without a collector. */
  choices: readonly string[]
}

export type CompletedCommand = {
  /** The names of the commands that lead to it, such as `runs list`. Empty for meshgauge itself. */
  path: string
  description: string
  subcommands: readonly { name: string; description: string }[]
  options: readonly CompletedOption[]
  /** Possible values of the arguments. */
  operands: readonly string[]
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export const EXPORT_FORMATS = ['json', 'jsonl', 'csv', 'arcaflow', 'netperf-orchestrate'] as const

/** Values of options and arguments by their name. They are parsed later than by commander, which does not know them. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  '--test': ['ping', 'iperf'],
  '--engine': [...ENGINES.ping, ...ENGINES.iperf],
  '--format': EXPORT_FORMATS,
  '--overlap': ['skip', 'queue'],
  '--sample-source': ['proc', 'pcp'],
  TOPOLOGY: Object.keys(topologies),
  SHELL: SHELLS,
}

/** The first sentence of a help text, on one line. */
const summaryOf = (text: string): string =>
  firstSentence(joinParagraphs(text).split('\n')[0] ?? '').replace(/(, in one of these formats)?:$/, '.')

const optionOf = ({ long, short, description, required, optional }: Option): CompletedOption => ({
  flags: [long, short].filter((flag) => flag != null),
  description: summaryOf(description),
  takesValue: required || optional,
  choices: CHOICES[long ?? ''] ?? [],
})

/** All commands, a command before its subcommands. Each has the options of its parents too. */
export const commandTree = (
  command: Command,
  parents: readonly Option[] = [],
  path = '',
): CompletedCommand[] => {
  const help = command.createHelp()
  const own = help.visibleOptions(command)
  const inherited = parents.filter(({ long }) => own.every((option) => option.long !== long))
  const children = command.commands.filter((child) => child.name() !== 'help')
  const all = [...own, ...inherited.filter(({ long }) => long !== '--version')]
  return [
    {
      path,
      description: summaryOf(command.summary() || command.description()),
      subcommands: children.map((child) => ({
        name: child.name(),
        description: summaryOf(child.summary() || child.description()),
      })),
      options: all.map(optionOf),
      operands: command.registeredArguments.flatMap((argument) => CHOICES[argument.name()] ?? []),
    },
    ...children.flatMap((child) =>
      commandTree(child, all, path === '' ? child.name() : `${path} ${child.name()}`),
    ),
  ]
}
