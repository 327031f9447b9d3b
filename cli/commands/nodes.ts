import type { Command } from 'commander'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { nodesDocument, renderNodes } from '../render/nodes-text.ts'
import { printJson, printLine } from '../terminal.ts'

const nodes = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, options, paint } = invocation
    const found = await readAll(
      (page) => client.fleet.listNodes({ nodes: [...operands], ...page }),
      ({ nodes }) => nodes,
    )
    if (options.json) printJson(terminal.stdout, nodesDocument(found))
    else printLine(terminal.stdout, renderNodes(found, terminal.clock.now(), paint))
    return EXIT.healthy
  })

export const addNodesCommand = (program: Command, app: App): void => {
  const command = program
    .command('nodes')
    .summary('list the nodes and what their agents say of them')
    .description(
      `Lists the nodes of the fleet: whether their agents answer, their interfaces and speeds, the programs they can
measure with, and when each was last measured. A silent node carries the reason.`,
    )
    .argument(
      '[SELECTOR...]',
      'node names or labels such as rack=r3; a node that matches any is listed (default: all)',
    )
  withExamples(command, [
    ['meshgauge nodes', 'the whole fleet'],
    ['meshgauge nodes gpu-01 rack=r3', 'one node, and all of a rack'],
    ['meshgauge nodes --json', 'everything the agents say, addresses and limits too'],
  ])
  app.handle(command, Number.POSITIVE_INFINITY, nodes)
}
