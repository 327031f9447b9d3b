import type { Command } from 'commander'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { counted } from '../render/figures.ts'
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
  if (operands.length === 0) read.refuse('SELECTOR', 'is missing: the nodes to clear, such as gpu-01')
  const checks = read.list('--checks', options.checks)
  return withClient(invocation, async (client) => {
    const { clearedCount } = await client.health.clearHealth({ nodes: [...operands], checks })
    if (options.json) printJson(terminal.stdout, { clearedCount })
    else printLine(terminal.stdout, `${counted(clearedCount, 'finding')} forgotten.`)
    return EXIT.healthy
  })
}

const SELECTORS = 'node names or labels such as rack=r3; a node that matches any is meant'

export const addHealthCommand = (program: Command, app: App): void => {
  const command = program
    .command('health')
    .summary('what the checks of the nodes have found')
    .description(
      `Shows what stands of each node's checks: pass, warn, fail, or evict (not fit until repaired). A finding
stands until the same check looks at as much, at the same or a heavier level, and passes.`,
    )
    .argument('[SELECTOR...]', `${SELECTORS} (default: all)`)
  withExamples(command, [
    ['meshgauge health', 'the whole fleet'],
    ['meshgauge health rack=r3 --json', 'with evidence'],
    ['meshgauge health clear gpu-07', 'gpu-07 was repaired'],
  ]).addHelpText(
    'after',
    '\nExit codes: 0 all pass or warn, 1 a node is not fit, 3 of a node nothing is known',
  )
  app.handle(command, Number.POSITIVE_INFINITY, health)
  const clearCommand = command
    .command('clear')
    .summary('forget findings, after a repair')
    .description('Forgets what checks found on nodes: what is wrong still will be found again.')
    .argument('[SELECTOR...]', SELECTORS)
    .option('--checks <names>', 'only of these checks (default: all)')
  app.handle(clearCommand, Number.POSITIVE_INFINITY, clear)
}
