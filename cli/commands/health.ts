import type { Command } from 'commander'
import { counted } from '../../lib/units.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { healthDocument, healthExitCode, renderHealth } from '../render/health-text.ts'
import { printJson, printLine } from '../terminal.ts'

const health = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, options, paint } = invocation
    const nodes = await readAll(
      (page) => client.health.listNodeHealth({ nodes: [...operands], ...page }),
      ({ nodes }) => nodes,
    )
    if (options.json) printJson(terminal.stdout, healthDocument(nodes))
    else printLine(terminal.stdout, renderHealth(nodes, terminal.clock.now(), paint))
    return healthExitCode(nodes)
  })

const clear = (invocation: Invocation<{ checks?: string }>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  if (operands.length === 0) read.refuse('SELECTOR', 'is missing: give the nodes to clear, such as gpu-01')
  const checks = read.list('--checks', options.checks)
  return withClient(invocation, async (client) => {
    const { clearedCount } = await client.health.clearHealth({ nodes: [...operands], checks })
    if (options.json) printJson(terminal.stdout, { clearedCount })
    else printLine(terminal.stdout, `Cleared ${counted(clearedCount, 'finding')}.`)
    return EXIT.healthy
  })
}

const SELECTORS =
  'Node names, lists such as gpu-[01-16], or labels such as rack=r3. A node that matches any of them is selected.'

export const addHealthCommand = (program: Command, app: App): void => {
  const command = program
    .command('health')
    .summary('Show the health of the nodes.')
    .description(
      `Show the health of each node according to its checks: pass, warn, fail, or evict (not fit until repaired). A finding
remains until the same check passes with at least the same scope and level.`,
    )
    .argument('[SELECTOR...]', `${SELECTORS} Default: all nodes.`)
  withExamples(command, [
    ['meshgauge health', 'show the whole fleet'],
    ['meshgauge health rack=r3 --json', 'show one rack, with evidence'],
    ['meshgauge health clear gpu-07', 'remove the findings of gpu-07 after its repair'],
  ]).addHelpText(
    'after',
    '\nExit codes: 0 all pass or warn, 1 a node is not fit, 3 the health of a node is unknown',
  )
  app.handle(command, Number.POSITIVE_INFINITY, health, { isList: true })
  const clearCommand = command
    .command('clear')
    .summary('Clear findings after a repair.')
    .description('Clear the findings of nodes. The next check finds a remaining problem again.')
    .argument('[SELECTOR...]', SELECTORS)
    .option('--checks <names>', 'Only findings of these checks. Default: all checks.')
  app.handle(clearCommand, Number.POSITIVE_INFINITY, clear)
}
