import type { Command } from 'commander'
import { type Traffic, TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readAll } from '../client/paging.ts'
import { STOP_DEADLINE_MS, stopIfActive } from '../client/stop-traffic.ts'
import type { CollectorClient } from '../connection.ts'
import { EXIT, type ExitCode } from '../exit.ts'
import { addTrafficOptions } from '../options/traffic.ts'
import { CommandError } from '../problems.ts'
import { reconnectingWatch } from '../reconnecting-watch.ts'
import { counted } from '../render/figures.ts'
import {
  allMove,
  flowDocument,
  isOver,
  renderFlows,
  renderTraffic,
  renderTrafficList,
  trafficDocument,
} from '../render/traffic.ts'
import { printJson, printLine } from '../terminal.ts'
import { startTraffic } from './traffic-start.ts'

const ID = 'the id, an unambiguous beginning of it, or latest (default: latest)'
const EXIT_CODES = `
Exit codes:
  0    every flow moves, or did until the traffic was stopped
  1    some do not, or it could not be started; the reasons are printed
  2    wrong usage; nothing was done
  3    no collector, or the interfaces are in use`

const known = (traffic: Traffic | undefined): Traffic => {
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
  return isStopped || allMove(traffic) ? EXIT.healthy : EXIT.verdict
}

const status = (invocation: Invocation<{ watch?: boolean }>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, options } = invocation
    const request = { trafficId: operands[0] ?? 'latest' }
    if (!options.watch) return show(invocation, known((await client.traffic.getTraffic(request)).traffic))
    const leave = new AbortController()
    const stopListening = terminal.onInterrupt(() => leave.abort())
    let code: ExitCode = EXIT.healthy
    try {
      const watched = reconnectingWatch(terminal.clock, leave.signal, (call) =>
        client.traffic.watchTraffic(request, call),
      )
      for await (const { traffic } of watched) {
        code = show(invocation, known(traffic))
      }
    } catch (error) {
      if (!leave.signal.aborted) throw error
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

/** Which traffic is meant: those named, all, or the only one that goes on. */
const chosen = async (client: CollectorClient, ids: readonly string[], all: boolean): Promise<string[]> => {
  if (ids.length > 0) return [...ids]
  const active = (await listTraffic(client)).filter((traffic) => !isOver(traffic))
  if (active.length <= 1 || all) return active.map(({ id }) => id)
  const names = active.map(({ id }) => `  ${id}`).join('\n')
  throw new CommandError(
    `${counted(active.length, 'traffic')} go on. Name one, or stop --all of them:\n${names}`,
    EXIT.usage,
  )
}

const stop = (invocation: Invocation<{ all?: boolean }>): Promise<ExitCode> => {
  const { terminal, operands, options, paint, read } = invocation
  if (options.all && operands.length > 0) read.refuse('--all', 'has no meaning beside an id')
  return withClient(invocation, async (client) => {
    const ids = await chosen(client, operands, options.all ?? false)
    const stopNamed = async (trafficId: string) =>
      (await client.traffic.stopTraffic({ trafficId }, { deadline: STOP_DEADLINE_MS })).traffic
    // Traffic that was listed as active may have ended in the meantime. Traffic that was named must be active.
    const stopOne = operands.length > 0 ? stopNamed : (id: string) => stopIfActive(client, id)
    const stopped = await Promise.all(ids.map(async (id) => known(await stopOne(id))))
    if (options.json) printJson(terminal.stdout, { traffic: stopped.map(trafficDocument) })
    else if (stopped.length === 0) printLine(terminal.stdout, 'No traffic goes on.')
    for (const traffic of options.json ? [] : stopped)
      printLine(terminal.stdout, renderTraffic(traffic, '', paint))
    return EXIT.healthy
  })
}

const addStart = (traffic: Command, app: App): void => {
  const command = addTrafficOptions(
    traffic
      .command('start')
      .summary('keep flows up between pairs of nodes')
      .description(
        `Starts one flow for each pair of a topology, all at once, and waits until the receiving end of each has counted
bytes. The flows go on in the collector until they are stopped, their duration is over, or the collector ends; those
that die are started again. Ctrl-C meanwhile stops them.

TOPOLOGY is ring, mesh, matrix, star, shifts or pairs, as for "meshgauge run". A bitrate is that of each stream, as
iperf3 has it: 10G with 16 streams is 160 Gbit/s a flow.`,
      )
      .argument('[TOPOLOGY]', 'ring, mesh, matrix, star, shifts or pairs'),
  )
    .optionsGroup('How to wait:')
    .option('--wait <time>', 'how long flows may take to move, once all have been started (default: 1m)')
    .option('--detach', 'print the id and leave; "meshgauge traffic status ID" says how it is')
  withExamples(command, [
    [
      'meshgauge traffic start mesh --interface net0,net1 --bitrate 10G --streams 16',
      'every pair on two networks',
    ],
    ['meshgauge traffic start shifts --shifts 3 --bitrate 1G --duration 1h', 'a lighter load, for an hour'],
    ['meshgauge traffic start pairs --pairs gpu-01:gpu-02 -u -b 100M -l 1400', 'one flow of datagrams'],
  ]).addHelpText('after', EXIT_CODES)
  app.handle(command, 1, startTraffic)
}

export const addTrafficCommand = (program: Command, app: App): void => {
  const traffic = program
    .command('traffic')
    .summary('keep flows up to load a fabric')
    .description(
      'Sustained traffic: flows between many pairs at once, to load a fabric. It measures nothing and accuses nobody.',
    )
  withExamples(traffic, [
    ['meshgauge traffic start mesh --bitrate 1G', 'a flow from every node to every other'],
    ['meshgauge traffic status --watch', 'how much moves, and what does not'],
    ['meshgauge traffic flows --node gpu-01', 'flow by flow'],
    ['meshgauge traffic stop', 'ends it, and waits until nothing is left'],
  ])
  addStart(traffic, app)
  app.handle(
    traffic
      .command('status')
      .description('Says how many flows move, at what rate, and why the others do not.')
      .argument('[ID]', ID)
      .option('--watch', 'again each second that it changes; Ctrl-C only stops looking')
      .addHelpText('after', EXIT_CODES),
    1,
    status,
  )
  app.handle(
    traffic
      .command('flows')
      .description('Lists the flows, those that do not move first.')
      .argument('[ID]', ID)
      .option('--node <name>', 'only those from or to this node'),
    1,
    flows,
  )
  app.handle(traffic.command('list').description('Lists traffic since the collector started.'), 0, list)
  app.handle(
    traffic
      .command('stop')
      .description('Ends traffic, and waits until no process of it is left on any node that answers.')
      .argument(
        '[ID]',
        'the id, an unambiguous beginning of it, or latest (default: the only one that goes on)',
      )
      .option('--all', 'all that goes on'),
    1,
    stop,
  )
}
