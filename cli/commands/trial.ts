import { isAbortError } from 'abort-controller-x'
import type { Command } from 'commander'
import type { Fault, LabOptions } from '../../deploy/local/lab.ts'
import { type App, type Invocation, withExamples } from '../app.ts'
import { EXIT, EXIT_CODES_HELP, type ExitCode } from '../exit-codes.ts'
import { repeated } from '../options/service-options.ts'
import { printLine, type Terminal } from '../terminal.ts'
import { readLabOptions } from './lab.ts'

type TrialFlags = {
  nodes?: string
  racks?: string
  rate?: string
  uplinkRate?: string
  fault?: string[]
  duration?: string
  keep?: boolean
  loopback?: boolean
}

/** Reads the faults before anything is made, against the lab as it will be. */
const readFaults = async (invocation: Invocation<TrialFlags>, options: LabOptions): Promise<Fault[]> => {
  const { LabError, parseFaults } = await import('../../deploy/local/lab.ts')
  const { labNodes, labShape } = await import('../../deploy/local/topology.ts')
  const orRefuse = <T>(place: string, work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      for (const problem of error.problems) invocation.read.refuse(place, problem)
      return undefined
    }
  }
  const shape = orRefuse('the lab', () => labShape(options))
  if (!shape) return []
  const target = { ...shape, nodes: labNodes(0, shape) }
  return orRefuse('--fault', () => parseFaults(invocation.options.fault ?? [], target)) ?? []
}

/** Where the lab can be had. Without the right to namespaces here we start once more with it, or go without. */
const chooseKind = async ({ terminal, options }: Invocation<TrialFlags>, words: readonly string[]) => {
  if (options.loopback) return { kind: 'loopback' as const, reasons: [] }
  const { checkRights, reexecInUserNamespace } = await import('../../deploy/local/rights.ts')
  const rights = await checkRights(terminal.machine.uid, terminal.env)
  if (rights.namespaces === 'in a user namespace') {
    // Ctrl-C reaches the one inside as well, and it is the one that clears up.
    const stopListening = terminal.onInterrupt(() => undefined)
    const mark = `${USER_NAMESPACE_OF}=${terminal.machine.pid}`
    const exitCode = await reexecInUserNamespace(
      ['env', mark, ...terminal.machine.program, ...words],
      terminal.env,
    )
    stopListening()
    return { kind: 'elsewhere' as const, exitCode: exitCode as ExitCode }
  }
  return rights.namespaces === 'now'
    ? { kind: 'namespaces' as const, reasons: [] }
    : { kind: 'loopback' as const, reasons: rights.reasons }
}

const trial = async (invocation: Invocation<TrialFlags>): Promise<ExitCode> => {
  const { terminal, options, read, paint, stderrPaint } = invocation
  const labOptions = readLabOptions(read, options)
  const durationSeconds = read.seconds('--duration', options.duration) ?? 2
  const faults = await readFaults(invocation, labOptions)
  if (options.loopback && faults.length > 0)
    read.refuse('--fault', 'needs namespaces; loopback has no links to break')
  invocation.throwIfWrong()
  const chosen = await chooseKind(invocation, ['trial', ...trialWords(options)])
  if (chosen.kind === 'elsewhere') return chosen.exitCode
  const { labDeps } = await import('../lab/running-labs.ts')
  const { findPrograms } = await import('../trial/find-programs.ts')
  const { asNotMeasured, runTrial } = await import('../trial/run-trial.ts')
  const stopping = new AbortController()
  const stopListening = terminal.onInterrupt(() => stopping.abort())
  try {
    const versions = await findPrograms(terminal)
    printLine(terminal.stdout, renderHead(labOptions, chosen.kind, versions))
    if (chosen.reasons.length > 0) {
      printLine(
        terminal.stdout,
        `  No namespaces, so all nodes share loopback, and faults cannot be set:\n    ${chosen.reasons.join('\n    ')}`,
      )
    }
    const deps = { terminal, lab: labDeps(terminal), paint, stderrPaint }
    const done = await runTrial(
      deps,
      {
        kind: chosen.kind,
        lab: labOptions,
        faults: chosen.kind === 'loopback' ? [] : faults,
        durationSeconds,
      },
      stopping.signal,
    ).catch((error: unknown) => {
      throw asNotMeasured(error)
    })
    try {
      if (options.keep) await keepRunning(invocation, done, stopping.signal)
      else printLine(terminal.stdout, nextSteps(chosen.kind))
    } finally {
      done.client.close()
      await done.held.down()
    }
    return done.exitCode
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    printLine(terminal.stderr, 'Interrupted. Nothing is left behind.')
    return EXIT.interrupted
  } finally {
    stopListening()
  }
}

/** Tells the one in a user namespace the process outside that started it: its own numbers mean nothing out there. */
const USER_NAMESPACE_OF = 'MESHGAUGE_USER_NAMESPACE_OF'

const nextSteps = (kind: 'namespaces' | 'loopback'): string =>
  kind === 'namespaces'
    ? 'Next:  npm start -- --fault rate:node-3:net1:tx:50mbit     npm start -- --keep'
    : 'Next:  npm start -- --keep'

const renderHead = (
  { nodes = 6 }: LabOptions,
  kind: 'namespaces' | 'loopback',
  versions: readonly string[],
): string =>
  kind === 'namespaces'
    ? `meshgauge trial: ${nodes} hosts, 2 interfaces each, in network namespaces (${versions.join(', ')})`
    : `meshgauge trial: ${nodes} nodes on loopback (${versions.join(', ')})`

/** Stays until Ctrl-C, so that one can look around. */
const keepRunning = async (
  { terminal }: Invocation<TrialFlags>,
  { held, addresses }: import('../trial/run-trial.ts').Trial,
  signal: AbortSignal,
): Promise<void> => {
  const { renderLabUsage } = await import('../render/lab-usage.ts')
  const usage = renderLabUsage(held.lab, addresses, {
    program: 'npx meshgauge',
    userNamespaceOf: terminal.env[USER_NAMESPACE_OF],
  })
  printLine(terminal.stdout, `\nStill up, until Ctrl-C.\n${usage}`)
  await untilAborted(terminal, signal)
}

/** A timer rather than only the signal: with nothing under way Node would see no reason to go on. */
const untilAborted = async ({ clock }: Terminal, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    await clock.sleep(3600, signal).catch((error: unknown) => {
      if (!isAbortError(error)) throw error
    })
  }
}

/** The same trial in words, for the one that is started with more rights. */
const trialWords = (options: TrialFlags): string[] => [
  ...(['nodes', 'racks', 'rate', 'uplinkRate', 'duration'] as const).flatMap((name) => {
    const value = options[name]
    return value === undefined ? [] : [`--${name === 'uplinkRate' ? 'uplink-rate' : name}`, value]
  }),
  ...(options.fault ?? []).flatMap((fault) => ['--fault', fault]),
  ...(options.keep ? ['--keep'] : []),
]

export const addTrialCommand = (program: Command, app: App): void => {
  const command = program
    .command('trial')
    .summary('a fleet on this machine, measured, in a minute: what "npm start" runs')
    .description(
      `Makes a lab of hosts on this machine, with agents and a collector, runs the checks, a ping mesh, an iperf ring and
an iperf mesh, shows what came of it, and leaves nothing behind. Without root it uses a user namespace, and without
the right to namespaces a fleet on loopback.`,
    )
    .option('--nodes <n>', 'hosts (default: 6)')
    .option('--racks <n>', 'racks, each with an uplink to the others (default: 1)')
    .option('--rate <rate>', 'of each interface, or unlimited (default: 1G)')
    .option('--uplink-rate <rate>', "of each rack's uplink (default: unlimited)")
    .option(
      '--fault <fault>',
      'break something first, such as loss:node-2:net0:rx:10%; may be repeated',
      repeated,
    )
    .option('--duration <time>', 'length of each iperf test (default: 2s)')
    .option('--keep', 'stay up until Ctrl-C, to use the command and grpcurl against it')
    .option('--loopback', 'no namespaces: all nodes on loopback')
  withExamples(command, [
    ['npm start', ''],
    ['npm start -- --nodes 8 --fault rate:node-3:net1:tx:50mbit', 'a sender that is slow, and named'],
    ['npm start -- --fault loss:node-2:net0:rx:10%', 'a receiver that loses a tenth'],
    ['npm start -- --keep', 'look around'],
  ]).addHelpText('after', `\n${EXIT_CODES_HELP}`)
  app.handle(command, 0, trial)
}
