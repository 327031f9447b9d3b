import { fileURLToPath } from 'node:url'
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

/** Parses the faults for the lab with these options, before the lab is created. */
const readFaults = async (invocation: Invocation<TrialFlags>, options: LabOptions): Promise<Fault[]> => {
  const { LabError, parseFaults } = await import('../../deploy/local/lab.ts')
  const { labNodes, labShape } = await import('../../deploy/local/topology.ts')
  const refuseLabErrors = <T>(place: string, work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof LabError)) throw error
      for (const problem of error.problems) invocation.read.refuse(place, problem)
      return undefined
    }
  }
  const shape = refuseLabErrors('the lab', () => labShape(options))
  if (!shape) return []
  const target = { ...shape, nodes: labNodes(0, shape) }
  return refuseLabErrors('--fault', () => parseFaults(invocation.options.fault ?? [], target)) ?? []
}

/**
 * Chooses namespaces or loopback. If namespaces need a user namespace, runs this command again inside one and returns
 * its exit code.
 */
const chooseKind = async ({ terminal, options }: Invocation<TrialFlags>, words: readonly string[]) => {
  if (options.loopback) return { kind: 'loopback' as const, reasons: [] }
  const { checkRights, reexecInUserNamespace } = await import('../../deploy/local/rights.ts')
  const rights = await checkRights(terminal.machine.uid, terminal.env)
  if (rights.namespaces === 'in a user namespace') {
    // Ctrl-C also reaches the inner command, which cleans up.
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
    read.refuse('--fault', 'needs network namespaces; faults are not available on loopback')
  invocation.throwIfWrong()
  const chosen = await chooseKind(invocation, ['trial', ...trialArguments(options)])
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
        `  Without network namespaces all nodes share loopback, and faults are not available:\n    ${chosen.reasons.join('\n    ')}`,
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
      await done.owned.down()
    }
    return done.exitCode
  } catch (error) {
    if (!stopping.signal.aborted) throw error
    printLine(terminal.stderr, 'Interrupted. The lab was removed.')
    return EXIT.interrupted
  } finally {
    stopListening()
  }
}

/** Environment variable with the process id of the outer command, for the command that runs in a user namespace. */
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

/** Prints how to use the lab and waits for Ctrl-C. */
const keepRunning = async (
  { terminal }: Invocation<TrialFlags>,
  { owned, addresses }: import('../trial/run-trial.ts').Trial,
  signal: AbortSignal,
): Promise<void> => {
  const { renderLabUsage } = await import('../render/lab-usage.ts')
  const usage = renderLabUsage(owned.lab, addresses, {
    program: fileURLToPath(new URL('../meshgauge', import.meta.url)),
    userNamespaceOf: terminal.env[USER_NAMESPACE_OF],
  })
  printLine(terminal.stdout, `\nThe lab runs until Ctrl-C.\n${usage}`)
  await untilAborted(terminal, signal)
}

/** Waits with a timer, because a signal listener alone does not keep Node running. */
const untilAborted = async ({ clock }: Terminal, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    await clock.sleep(3600, signal).catch((error: unknown) => {
      if (!isAbortError(error)) throw error
    })
  }
}

/** The command line arguments of these options, for the inner command. */
const trialArguments = (options: TrialFlags): string[] => [
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
    .summary('Start a trial fleet on this machine and measure it. "npm start" runs this.')
    .description(
      `Create a lab on this machine with agents and a collector. Run the checks, a ping mesh, an iperf ring and an iperf
mesh, print the results, and remove the lab. Without root the lab is in a user namespace. Where namespaces are not
available, the fleet is on loopback.`,
    )
    .option('--nodes <n>', 'Number of hosts. Default 6.')
    .option('--racks <n>', 'Number of racks. Each has an uplink to the others. Default 1.')
    .option('--rate <rate>', 'Bitrate of each interface, or unlimited. Default 1G.')
    .option('--uplink-rate <rate>', 'Bitrate of the uplink of each rack. Default: unlimited.')
    .option(
      '--fault <fault>',
      'Inject a fault before measuring, such as loss:node-2:net0:rx:10%. Repeatable.',
      repeated,
    )
    .option('--duration <time>', 'Duration of each iperf test. Default 2s.')
    .option('--keep', 'Keep the lab running until Ctrl-C, for further commands.')
    .option('--loopback', 'Use loopback addresses instead of namespaces. Faults are not available.')
  withExamples(command, [
    ['npm start', ''],
    ['npm start -- --nodes 8 --fault rate:node-3:net1:tx:50mbit', 'with a slow sender'],
    ['npm start -- --fault loss:node-2:net0:rx:10%', 'with a receiver that loses 10 %'],
    ['npm start -- --keep', 'keep the lab running'],
  ]).addHelpText('after', `\n${EXIT_CODES_HELP}`)
  app.handle(command, 0, trial)
}
