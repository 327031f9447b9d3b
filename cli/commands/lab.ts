import type { Command } from 'commander'
import type { LabOptions } from '../../deploy/local/lab.ts'
import { type App, type Invocation, withExamples } from '../app.ts'
import { CommandError } from '../command-errors.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import type { ValueReader } from '../options/value-reader.ts'
import { printJson, printLine } from '../terminal.ts'

type UpFlags = {
  nodes?: string
  racks?: string
  rate?: string
  uplinkRate?: string
  index?: string
  loopback?: boolean
  bare?: boolean
}
type IndexFlags = { index?: string }

/** What a lab is to be like; its own limits are checked by the lab. */
export const readLabOptions = (read: ValueReader, flags: UpFlags): LabOptions => {
  const nodes = read.integer('--nodes', flags.nodes, 2, 1000)
  const racks = read.integer('--racks', flags.racks, 1, 1000)
  const index = read.integer('--index', flags.index, 0, 63)
  const uplink = read.bitsPerSecond('--uplink-rate', flags.uplinkRate)
  const rate = flags.rate === 'unlimited' ? 'unlimited' : read.bitsPerSecond('--rate', flags.rate)
  return {
    ...(nodes === undefined ? {} : { nodes }),
    ...(racks === undefined ? {} : { racks }),
    ...(index === undefined ? {} : { index }),
    ...(uplink === undefined ? {} : { uplinkBitsPerSecond: uplink }),
    ...(rate === undefined ? {} : { rateBitsPerSecond: rate }),
  }
}

const up = async (invocation: Invocation<UpFlags>): Promise<ExitCode> => {
  const { terminal, options, read } = invocation
  const labOptions = readLabOptions(read, options)
  invocation.throwIfWrong()
  const { labDeps } = await import('../lab/running-labs.ts')
  const { createHosts, startLabAgents, startLabCollector } = await import('../lab/start-lab.ts')
  const { checkRights } = await import('../../deploy/local/rights.ts')
  const { renderLabUsage } = await import('../render/lab-usage.ts')
  const { program, uid } = terminal.machine
  if (!options.loopback) {
    const rights = await checkRights(uid, terminal.env)
    if (rights.namespaces === 'in a user namespace') {
      throw new CommandError(
        'A lab that stays needs root. As you are: "npm start -- --keep" (it goes with the command), or --loopback.',
        EXIT.notMeasured,
      )
    }
    if (rights.namespaces === 'no') {
      throw new CommandError(
        [...rights.reasons, 'Without namespaces: --loopback.'].join('\n'),
        EXIT.notMeasured,
      )
    }
  }
  const deps = labDeps(terminal)
  const stopping = new AbortController()
  const stopListening = terminal.onInterrupt(() => stopping.abort())
  const held = await createHosts(deps, options.loopback ? 'loopback' : 'namespaces', labOptions)
  for (const warning of held.warnings) printLine(terminal.stderr, warning)
  try {
    if (!options.bare) {
      await startLabAgents(deps, held, program, stopping.signal)
      const addresses = await startLabCollector(deps, held, program, stopping.signal)
      printLine(terminal.stdout, renderLabUsage(held.lab, addresses, { program: 'meshgauge' }))
    } else
      printLine(
        terminal.stdout,
        `Lab ${held.lab.index} is up with ${held.lab.nodes.length} hosts and nothing on them.`,
      )
    stopping.signal.throwIfAborted()
    await held.keep()
    return EXIT.healthy
  } catch (error) {
    await held.down()
    if (stopping.signal.aborted) return EXIT.interrupted
    throw error
  } finally {
    stopListening()
  }
}

const fault = async (invocation: Invocation<IndexFlags>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  const index = read.integer('--index', options.index, 0, 63)
  if (operands.length === 0) read.refuse('FAULT', 'is missing, such as rate:node-3:net1:tx:50mbit')
  invocation.throwIfWrong()
  const { formatFault, openLab, parseFaults, setFault } = await import('../../deploy/local/lab.ts')
  const { chooseLab, labDeps } = await import('../lab/running-labs.ts')
  const deps = labDeps(terminal)
  const lab = await openLab(deps, await chooseLab(deps, index))
  for (const each of parseFaults(operands, lab)) await setFault(deps, lab, each)
  const { faults } = await openLab(deps, lab.index)
  printLine(terminal.stdout, `Broken now: ${faults.map(formatFault).join(', ')}`)
  return EXIT.healthy
}

const heal = async (invocation: Invocation<IndexFlags>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  const index = read.integer('--index', options.index, 0, 63)
  invocation.throwIfWrong()
  const lab = await import('../../deploy/local/lab.ts')
  const { chooseLab, labDeps } = await import('../lab/running-labs.ts')
  const deps = labDeps(terminal)
  const chosen = await lab.openLab(deps, await chooseLab(deps, index))
  const places = operands.map((text) => lab.parseFaultPlace(text, chosen))
  if (places.length === 0) await lab.heal(deps, chosen)
  for (const place of places) await lab.heal(deps, chosen, place)
  const { faults } = await lab.openLab(deps, chosen.index)
  printLine(
    terminal.stdout,
    faults.length === 0 ? 'Nothing is broken.' : `Still broken: ${faults.map(lab.formatFault).join(', ')}`,
  )
  return EXIT.healthy
}

const status = async (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, options, paint } = invocation
  invocation.throwIfWrong()
  const { labStatus } = await import('../../deploy/local/lab.ts')
  const { collectorAddress, labDeps } = await import('../lab/running-labs.ts')
  const { renderLabs } = await import('../render/lab-list.ts')
  const reports = await labStatus(labDeps(terminal))
  const labs = await Promise.all(
    reports.map(async (report) => ({ ...report, collector: await collectorAddress(report) })),
  )
  if (options.json) printJson(terminal.stdout, { labs })
  else printLine(terminal.stdout, renderLabs(labs, paint))
  return EXIT.healthy
}

const down = async (invocation: Invocation<IndexFlags & { all?: boolean }>): Promise<ExitCode> => {
  const { terminal, options, read } = invocation
  const index = read.integer('--index', options.index, 0, 63)
  if (options.all && index !== undefined) read.refuse('--all', 'cannot be given together with --index')
  invocation.throwIfWrong()
  const { labDown, labStatus } = await import('../../deploy/local/lab.ts')
  const { chooseLab, labDeps } = await import('../lab/running-labs.ts')
  const deps = labDeps(terminal)
  const all = options.all
    ? (await labStatus(deps)).map((report) => report.index)
    : [await chooseLab(deps, index)]
  for (const each of all) await labDown(deps, each)
  printLine(terminal.stdout, all.length === 0 ? 'No lab was up.' : `Gone: lab ${all.join(', ')}.`)
  return EXIT.healthy
}

const INDEX_HELP = 'number of the lab (default: the only one)'

export const addLabCommand = (program: Command, app: App): void => {
  const lab = program
    .command('lab')
    .summary('several hosts on this machine, to break on purpose')
    .description(
      `A fleet of hosts in network namespaces of this machine, two interfaces each (net0, net1), with an agent on each
and a collector. What you break there, meshgauge should name. Needs root; the other commands find its collector.

A fault is KIND:NODE:INTERFACE:DIRECTION[:VALUE], the direction (tx, rx, both) as the node sees it:
  rate:node-3:net1:tx:50mbit   loss:node-2:net0:rx:10%   cut:node-4:net1:both   mtu:node-2:net1:tx:1400
Cut and loss also of one path (node-1/node-2) and of a rack's uplink (rack-2):
  cut:node-1/node-2:net0:both   loss:rack-2:net1:tx:20%`,
    )
  withExamples(lab, [
    ['meshgauge lab up --nodes 8 --racks 2 --uplink-rate 2G', ''],
    ['meshgauge lab fault rate:node-3:net1:tx:50mbit', 'break it'],
    ['meshgauge run mesh --test iperf --duration 2s', 'see it named'],
    ['meshgauge lab heal', 'put everything right'],
    ['meshgauge lab down', 'leave nothing behind'],
  ])
  app.handle(
    lab
      .command('up')
      .description('Makes the lab and leaves it running.')
      .option('--nodes <n>', 'hosts (default: 6)')
      .option('--racks <n>', 'racks, each with an uplink to the others (default: 1)')
      .option('--rate <rate>', 'of each interface, or unlimited (default: 1G)')
      .option('--uplink-rate <rate>', "of each rack's uplink (default: unlimited)")
      .option('--index <n>', 'number of the lab (default: the first free one)')
      .option(
        '--loopback',
        'addresses on loopback instead of namespaces: needs no rights, and nothing can be broken',
      )
      .option('--bare', 'hosts only, without agents and collector'),
    0,
    up,
  )
  app.handle(
    lab
      .command('fault')
      .description('Breaks something on purpose. The same place again replaces; others add up.')
      .argument('[FAULT...]', 'such as rate:node-3:net1:tx:50mbit')
      .option('--index <n>', INDEX_HELP),
    Number.POSITIVE_INFINITY,
    fault,
  )
  app.handle(
    lab
      .command('heal')
      .description('Puts right what "lab fault" broke.')
      .argument('[FAULT...]', 'a fault, its value may be left out (default: everything)')
      .option('--index <n>', INDEX_HELP),
    Number.POSITIVE_INFINITY,
    heal,
  )
  app.handle(lab.command('status').description('Shows the labs of this machine.'), 0, status)
  app.handle(
    lab
      .command('down')
      .description('Ends the lab and everything in it.')
      .option('--index <n>', INDEX_HELP)
      .option('--all', 'all labs'),
    0,
    down,
  )
}
