/** Man pages from the help of the commands, in the macros of man(7). */

import type { Command } from 'commander'
import { joinParagraphs } from '../app.ts'

/** A text for roff: backslashes, hyphens that are typed, and lines that begin with a control character. */
const escapeRoff = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')

const bold = (text: string): string => `\\fB${escapeRoff(text)}\\fR`

/** Lines as they are, for examples and tables. */
const verbatim = (lines: readonly string[]): string[] => [
  '.nf',
  ...lines.map((line) => escapeRoff(line)),
  '.fi',
]

/** The paragraphs of a help text. Indented lines keep their form. */
const paragraphs = (text: string): string[] =>
  joinParagraphs(text)
    .split(/\n\n+/)
    .flatMap((paragraph) => {
      const lines = paragraph.split('\n')
      const body = lines.filter((line) => !line.startsWith(' '))
      const list = lines.filter((line) => line.startsWith(' '))
      return ['.PP', ...body.map((line) => escapeRoff(line)), ...(list.length > 0 ? verbatim(list) : [])]
    })

/** What addHelpText adds after the help: sections such as `Examples:` and `Exit codes:`. */
const sectionsAfter = (command: Command): { title: string; lines: string[] }[] => {
  let shown = ''
  const output = {
    ...command.configureOutput(),
    writeOut: (text: string) => {
      shown += text
    },
  }
  const before = command.configureOutput()
  command.configureOutput(output)
  command.outputHelp()
  command.configureOutput(before)
  const text = shown.slice(command.helpInformation().length)
  return text
    .split(/^(?=(?:Examples|Exit codes)[^\n]*:)/m)
    .filter((part) => /^(Examples|Exit codes)/.test(part))
    .map((part) => {
      const [head = '', ...lines] = part.trimEnd().split('\n')
      const [, title = '', rest = ''] = /^([^:]*):\s*(.*)$/.exec(head) ?? []
      return { title, lines: [...(rest ? [rest] : []), ...lines] }
    })
}

const options = (command: Command): string[] => {
  const help = command.createHelp()
  return help
    .visibleOptions(command)
    .filter(({ long }) => command.parent === null || long !== '--help')
    .flatMap((option) => ['.TP', bold(help.optionTerm(option)), escapeRoff(help.optionDescription(option))])
}

const argumentsOf = (command: Command): string[] =>
  command.registeredArguments.flatMap((argument) => [
    '.TP',
    bold(argument.name()),
    escapeRoff(argument.description),
  ])

/** The parts of one command. `heading` starts each: .SH on a page of its own, .SS within the page of its parent. */
const bodyOf = (command: Command): string[] => {
  const described = [...argumentsOf(command), ...options(command)]
  return [
    ...paragraphs(command.description()),
    ...(described.length > 0 ? ['.PP', bold('Options'), ...described] : []),
    ...sectionsAfter(command).flatMap(({ title, lines }) => ['.PP', bold(title), ...verbatim(lines)]),
  ]
}

const fullName = (command: Command): string =>
  command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name()

const synopsis = (command: Command): string[] => [
  '.PP',
  `${bold(fullName(command))} ${escapeRoff(command.usage())}`,
]

const visible = (command: Command): Command[] => command.commands.filter((child) => child.name() !== 'help')

const pageOf = (command: Command, others: readonly string[]): string => {
  const name = fullName(command).replaceAll(' ', '-')
  const children = command.parent ? visible(command) : []
  return `${[
    `.TH ${name.toUpperCase()} 1`,
    '.SH NAME',
    `${escapeRoff(name)} \\- ${escapeRoff((command.summary() || command.description()).replace(/\s+/g, ' ').replace(/\..*$/s, ''))}`,
    '.SH SYNOPSIS',
    ...synopsis(command),
    ...children.flatMap(synopsis),
    '.SH DESCRIPTION',
    ...bodyOf(command),
    ...(children.length > 0 ? ['.SH COMMANDS'] : []),
    ...children.flatMap((child) => [`.SS ${escapeRoff(fullName(child))}`, ...bodyOf(child)]),
    '.SH SEE ALSO',
    others.map((other) => `${bold(other)}(1)`).join(',\n'),
  ].join('\n')}\n`
}

/** Returns the man pages by file name: one for meshgauge, and one for each of its commands. */
export const manPages = (program: Command): Map<string, string> => {
  const commands = visible(program)
  const names = commands.map((command) => `${program.name()}-${command.name()}`)
  return new Map([
    [`${program.name()}.1`, pageOf(program, names)],
    ...commands.map((command, index) => [`${names[index]}.1`, pageOf(command, [program.name()])] as const),
  ])
}
