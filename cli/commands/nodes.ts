import type { Command } from 'commander'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
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
    else printLine(terminal.stdout, renderNodes(found, client.address, terminal.clock.now(), paint))
    return EXIT.healthy
  })

export const addNodesCommand = (program: Command, app: App): void => {
  const command = program
    .command('nodes')
    .summary('List the nodes of the fleet.')
    .description(
      `List the nodes of the fleet: the state of each agent, the interfaces and their speeds, the engines that can run there,
and when the node was last measured. A silent node is listed with the reason.`,
    )
    .argument(
      '[SELECTOR...]',
      'Node names, lists such as gpu-[01-16], or labels such as rack=r3. A node that matches any of them is listed. Default: all nodes.',
    )
  withExamples(command, [
    ['meshgauge nodes', 'list the whole fleet'],
    ['meshgauge nodes gpu-01 rack=r3', 'list one node and all nodes of a rack'],
    ['meshgauge nodes --json', 'print everything that the agents report'],
  ])
  app.handle(command, Number.POSITIVE_INFINITY, nodes, { isList: true })
}
