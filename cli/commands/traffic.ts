import type { Command } from 'commander'
import { type Traffic, TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { readAll } from '../client/paging.ts'
import { reconnectingWatch } from '../client/reconnecting-watch.ts'
import { STOP_DEADLINE_MS, stopIfActive } from '../client/stop-traffic.ts'
import { CommandError } from '../command-errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { describeTopologies, TOPOLOGY_HELP } from '../options/topology-options.ts'
import { addTrafficOptions } from '../options/traffic-spec.ts'
import {
  allFlowsMove,
  flowDocument,
  renderFlows,
  renderTraffic,
  renderTrafficList,
  trafficDocument,
  trafficHasEnded,
} from '../render/traffic-text.ts'
import { printJson, printLine } from '../terminal.ts'
import { startTraffic } from './start-traffic.ts'

const ID = 'Id of the traffic, a unique prefix of it, or latest. Default latest.'
const EXIT_CODES = `
Exit codes:
  0    every flow moves data, or did until the traffic was stopped
  1    some flows move no data, or the traffic could not start; the reasons are printed
  2    wrong usage; nothing was done
  3    no collector, or the interfaces are in use`

const requireTraffic = (traffic: Traffic | undefined): Traffic => {
  if (!traffic) throw new Error('the collector answered without a traffic')
  return traffic
}

const listTraffic = (client: CollectorClient): Promise<Traffic[]> =>
  readAll(
    (page) => client.traffic.listTraffic(page),
    ({ traffic }) => traffic,
  )

const list = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, options, paint } = invocation
    const traffic = await listTraffic(client)
    if (options.json) printJson(terminal.stdout, { traffic: traffic.map(trafficDocument) })
    else printLine(terminal.stdout, renderTrafficList(traffic, terminal.clock.now(), paint))
    return EXIT.healthy
  })

const show = ({ terminal, options, paint }: Invocation<object>, traffic: Traffic): ExitCode => {
  if (options.json) printJson(terminal.stdout, { traffic: trafficDocument(traffic) })
  else printLine(terminal.stdout, renderTraffic(traffic, `meshgauge traffic stop ${traffic.id}`, paint))
  const isStopped = traffic.state === TrafficState.TRAFFIC_STATE_STOPPED
  return isStopped || allFlowsMove(traffic) ? EXIT.healthy : EXIT.verdict
}

const status = (invocation: Invocation<{ watch?: boolean }>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, options } = invocation
    const request = { trafficId: operands[0] ?? 'latest' }
    if (!options.watch)
      return show(invocation, requireTraffic((await client.traffic.getTraffic(request)).traffic))
    const stopping = new AbortController()
    const stopListening = terminal.onInterrupt(() => stopping.abort())
    let code: ExitCode = EXIT.healthy
    try {
      const watched = reconnectingWatch(terminal.clock, stopping.signal, (call) =>
        client.traffic.watchTraffic(request, call),
      )
      for await (const { traffic } of watched) {
        code = show(invocation, requireTraffic(traffic))
      }
    } catch (error) {
      if (!stopping.signal.aborted) throw error
    } finally {
      stopListening()
    }
    return code
  })

const flows = (invocation: Invocation<{ node?: string }>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, options, paint } = invocation
    const request = { trafficId: operands[0] ?? 'latest', node: options.node ?? '' }
    const all = await readAll(
      (page) => client.traffic.listFlows({ ...request, ...page }),
      ({ flows }) => flows,
    )
    if (options.json) printJson(terminal.stdout, { flows: all.map(flowDocument) })
    else printLine(terminal.stdout, renderFlows(all, paint))
    return EXIT.healthy
  })

/** The ids to stop: the given ones, all active ones, or the only active one. */
const chosen = async (client: CollectorClient, ids: readonly string[], all: boolean): Promise<string[]> => {
  if (ids.length > 0) return [...ids]
  const active = (await listTraffic(client)).filter((traffic) => !trafficHasEnded(traffic))
  if (active.length <= 1 || all) return active.map(({ id }) => id)
  const names = active.map(({ id }) => `  ${id}`).join('\n')
  throw new CommandError(
    `${active.length} traffic loads are active. Give the id of one, or --all:\n${names}`,
    EXIT.usage,
  )
}

const stop = (invocation: Invocation<{ all?: boolean }>): Promise<ExitCode> => {
  const { terminal, operands, options, paint, read } = invocation
  if (options.all && operands.length > 0) read.refuse('--all', 'cannot be given together with an id')
  return withClient(invocation, async (client) => {
    const ids = await chosen(client, operands, options.all ?? false)
    const stopNamed = async (trafficId: string) =>
      (await client.traffic.stopTraffic({ trafficId }, { deadline: STOP_DEADLINE_MS })).traffic
    // Traffic that was listed as active may have ended in the meantime. Traffic that was named must be active.
    const stopOne = operands.length > 0 ? stopNamed : (id: string) => stopIfActive(client, id)
    const stopped = await Promise.all(ids.map(async (id) => requireTraffic(await stopOne(id))))
    if (options.json) printJson(terminal.stdout, { traffic: stopped.map(trafficDocument) })
    else if (stopped.length === 0) printLine(terminal.stdout, 'No traffic is active.')
    for (const traffic of options.json ? [] : stopped)
      printLine(terminal.stdout, renderTraffic(traffic, '', paint))
    return EXIT.healthy
  })
}

const addStartCommand = (traffic: Command, app: App): void => {
  const command = addTrafficOptions(
    traffic
      .command('start')
      .summary('Start a flow for each pair of a topology.')
      .description(
        `Start one flow for each pair of a topology, all at the same time. Wait until the receiver of each flow has counted
bytes. The flows run until "traffic stop", the end of --duration, or the end of the collector. A flow that fails is
started again. Ctrl-C during the start stops all flows.

A bitrate applies to each stream, as in iperf3: --bitrate 10G with --streams 16 is 160 Gbit/s per flow.

${describeTopologies()}`,
      )
      .argument('[TOPOLOGY]', TOPOLOGY_HELP),
  )
    .optionsGroup('How to wait:')
    .option('--wait <time>', 'How long to wait for data on every flow after all have started. Default 1m.')
    .option('--detach', 'Print the id of the traffic and exit. Show it with "meshgauge traffic status ID".')
  withExamples(command, [
    [
      'meshgauge traffic start mesh --interface net0,net1 --bitrate 10G --streams 16',
      'every pair on two interfaces',
    ],
    ['meshgauge traffic start shifts --shifts 3 --bitrate 1G --duration 1h', 'a lighter load for 1 hour'],
    ['meshgauge traffic start pairs --pairs gpu-01:gpu-02 -u -b 100M -l 1400', 'one UDP flow'],
  ]).addHelpText('after', EXIT_CODES)
  app.handle(command, 1, startTraffic)
}

export const addTrafficCommand = (program: Command, app: App): void => {
  const traffic = program
    .command('traffic')
    .summary('Load a fabric with sustained traffic.')
    .description(
      'Manage sustained traffic: flows between many pairs at the same time, to load a fabric. It is no measurement and has no verdicts.',
    )
  withExamples(traffic, [
    ['meshgauge traffic start mesh --bitrate 1G', 'start a flow from every node to every other node'],
    ['meshgauge traffic status --watch', 'show rates and problems, every second'],
    ['meshgauge traffic flows --node gpu-01', 'list the flows of one node'],
    ['meshgauge traffic stop', 'stop it and wait until no process is left'],
  ])
  addStartCommand(traffic, app)
  app.handle(
    traffic
      .command('status')
      .description('Show how many flows move data, at what rate, and why the others do not.')
      .argument('[ID]', ID)
      .option(
        '--watch',
        'Print every change, at most once per second. Ctrl-C stops watching, not the traffic.',
      )
      .addHelpText('after', EXIT_CODES),
    1,
    status,
  )
  app.handle(
    traffic
      .command('flows')
      .description('List flows, first those that move no data.')
      .argument('[ID]', ID)
      .option('--node <name>', 'Only flows from or to this node.'),
    1,
    flows,
    { isList: true },
  )
  app.handle(
    traffic.command('list').description('List all traffic since the start of the collector.'),
    0,
    list,
    { isList: true },
  )
  app.handle(
    traffic
      .command('stop')
      .description('Stop traffic. Wait until none of its processes is left on any node that answers.')
      .argument('[ID]', 'Id of the traffic, a unique prefix of it, or latest. Default: the only active one.')
      .option('--all', 'Stop all active traffic.'),
    1,
    stop,
  )
}
