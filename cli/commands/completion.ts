import type { Command } from 'commander'
import { type App, type Invocation, withExamples } from '../app.ts'
import { commandTree, SHELLS } from '../completion/command-tree.ts'
import { COMPLETION_SCRIPTS } from '../completion/scripts.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

export const addCompletionCommand = (program: Command, app: App): void => {
  const completion = async (invocation: Invocation<object>): Promise<ExitCode> => {
    const { terminal, operands, read } = invocation
    const [word] = operands
    if (word === undefined) read.refuse('SHELL', `is missing: one of ${SHELLS.join(', ')}`)
    const shell = read.choice('SHELL', word, SHELLS)
    invocation.throwIfWrong()
    terminal.stdout.write(COMPLETION_SCRIPTS[shell!](commandTree(program)))
    return EXIT.healthy
  }
  const command = program
    .command('completion')
    .summary('Print a completion script for a shell.')
    .description(
      'Print a script that completes commands, options and values of meshgauge in a shell. Load it in the startup file of the shell.',
    )
    .argument('[SHELL]', `One of ${SHELLS.join(', ')}.`)
  withExamples(command, [
    ['source <(meshgauge completion bash)', 'in ~/.bashrc'],
    ['source <(meshgauge completion zsh)', 'in ~/.zshrc, after compinit'],
    ['meshgauge completion fish | source', 'in ~/.config/fish/config.fish'],
  ])
  app.handle(command, 1, completion)
}
