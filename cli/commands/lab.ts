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

/** Reads the options of a lab. The lab itself checks their combination. */
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
        'A lab that keeps running needs root. Without root, use --loopback, or "npm start -- --keep", whose lab ends with the command.',
        EXIT.notMeasured,
      )
    }
    if (rights.namespaces === 'no') {
      throw new CommandError(
        [...rights.reasons, 'Use --loopback for a lab without namespaces.'].join('\n'),
        EXIT.notMeasured,
      )
    }
  }
  const deps = labDeps(terminal)
  const stopping = new AbortController()
  const stopListening = terminal.onInterrupt(() => stopping.abort())
  const owned = await createHosts(deps, options.loopback ? 'loopback' : 'namespaces', labOptions)
  for (const warning of owned.warnings) printLine(terminal.stderr, warning)
  try {
    if (!options.bare) {
      await startLabAgents(deps, owned, program, stopping.signal)
      const addresses = await startLabCollector(deps, owned, program, stopping.signal)
      printLine(terminal.stdout, renderLabUsage(owned.lab, addresses, { program: 'meshgauge' }))
    } else
      printLine(
        terminal.stdout,
        `Lab ${owned.lab.index} is up: ${owned.lab.nodes.length} hosts without agents or collector.`,
      )
    stopping.signal.throwIfAborted()
    await owned.keep()
    return EXIT.healthy
  } catch (error) {
    await owned.down()
    if (stopping.signal.aborted) return EXIT.interrupted
    throw error
  } finally {
    stopListening()
  }
}

const fault = async (invocation: Invocation<IndexFlags>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  const index = read.integer('--index', options.index, 0, 63)
  if (operands.length === 0) read.refuse('FAULT', 'is missing: give one such as rate:node-3:net1:tx:50mbit')
  invocation.throwIfWrong()
  const { formatFault, openLab, parseFaults, setFault } = await import('../../deploy/local/lab.ts')
  const { chooseLab, labDeps } = await import('../lab/running-labs.ts')
  const deps = labDeps(terminal)
  const lab = await openLab(deps, await chooseLab(deps, index))
  for (const each of parseFaults(operands, lab)) await setFault(deps, lab, each)
  const { faults } = await openLab(deps, lab.index)
  printLine(terminal.stdout, `Active faults: ${faults.map(formatFault).join(', ')}`)
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
  const { faults: left } = await lab.openLab(deps, chosen.index)
  const healed = chosen.faults
    .map(lab.formatFault)
    .filter((text) => !left.map(lab.formatFault).includes(text))
  const lines = [
    healed.length === 0
      ? `Lab ${chosen.index} had no faults.`
      : `Removed from lab ${chosen.index}: ${healed.join(', ')}`,
    ...(left.length === 0 ? [] : [`Still active: ${left.map(lab.formatFault).join(', ')}`]),
  ]
  printLine(terminal.stdout, lines.join('\n'))
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
  printLine(terminal.stdout, all.length === 0 ? 'No lab is running.' : `Removed lab ${all.join(', ')}.`)
  return EXIT.healthy
}

const INDEX_HELP = 'Number of the lab. Default: the only running lab.'

export const addLabCommand = (program: Command, app: App): void => {
  const lab = program
    .command('lab')
    .summary('Manage test fleets on this machine.')
    .description(
      `Manage a lab: a fleet of hosts in network namespaces of this machine, with two interfaces each (net0, net1), an agent
on each host and a collector. Inject a fault and check that meshgauge names it. Needs root. The other commands find
the collector of a running lab automatically.

A fault is KIND:NODE:INTERFACE:DIRECTION[:VALUE]. The direction (tx, rx or both) is from the view of the node:
  rate:node-3:net1:tx:50mbit   loss:node-2:net0:rx:10%   cut:node-4:net1:both   mtu:node-2:net1:tx:1400
The kinds cut and loss also accept a path (node-1/node-2) or the uplink of a rack (rack-2) as NODE:
  cut:node-1/node-2:net0:both   loss:rack-2:net1:tx:20%`,
    )
  withExamples(lab, [
    ['meshgauge lab up --nodes 8 --racks 2 --uplink-rate 2G', ''],
    ['meshgauge lab fault rate:node-3:net1:tx:50mbit', 'inject a fault'],
    ['meshgauge run mesh --test iperf --duration 2s', 'find it'],
    ['meshgauge lab heal', 'remove all faults'],
    ['meshgauge lab down', 'remove the lab'],
  ])
  app.handle(
    lab
      .command('up')
      .description('Create a lab and leave it running.')
      .option('--nodes <n>', 'Number of hosts. Default 6.')
      .option('--racks <n>', 'Number of racks. Each has an uplink to the others. Default 1.')
      .option('--rate <rate>', 'Bitrate of each interface, or unlimited. Default 1G.')
      .option('--uplink-rate <rate>', 'Bitrate of the uplink of each rack. Default: unlimited.')
      .option('--index <n>', 'Number of the lab. Default: the first free number.')
      .option(
        '--loopback',
        'Use loopback addresses instead of namespaces. Needs no privileges. Faults are not available.',
      )
      .option('--bare', 'Create the hosts only, without agents and collector.'),
    0,
    up,
  )
  app.handle(
    lab
      .command('fault')
      .description('Inject faults. A new fault replaces an earlier one at the same place; others remain.')
      .argument('[FAULT...]', 'Faults, such as rate:node-3:net1:tx:50mbit.')
      .option('--index <n>', INDEX_HELP),
    Number.POSITIVE_INFINITY,
    fault,
  )
  app.handle(
    lab
      .command('heal')
      .description('Remove faults.')
      .argument('[FAULT...]', 'Faults, with or without their value. Default: all faults.')
      .option('--index <n>', INDEX_HELP),
    Number.POSITIVE_INFINITY,
    heal,
  )
  app.handle(lab.command('status').description('Show the labs of this machine.'), 0, status, { isList: true })
  app.handle(
    lab
      .command('down')
      .description('Remove a lab with all its processes and interfaces.')
      .option('--index <n>', INDEX_HELP)
      .option('--all', 'Remove all labs.'),
    0,
    down,
  )
}
