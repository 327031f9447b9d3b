import { Command, CommanderError } from 'commander'
import { VERSION } from '../lib/version.ts'
import { type App, createApp, withExamples } from './app.ts'
import { DEFAULT_COLLECTOR } from './client/connection.ts'
import { addAgentCommand } from './commands/agent.ts'
import { addCheckCommand } from './commands/check.ts'
import { addCollectorCommand } from './commands/collector.ts'
import { addCoverageCommand } from './commands/coverage.ts'
import { addGateCommand } from './commands/gate.ts'
import { addHealthCommand } from './commands/health.ts'
import { addLabCommand } from './commands/lab.ts'
import { addMeshCommand } from './commands/mesh.ts'
import { addNodesCommand } from './commands/nodes.ts'
import { addPlanCommand } from './commands/plan.ts'
import { addProfilesCommand } from './commands/profiles.ts'
import { addReloadCommand } from './commands/reload.ts'
import { addRunCommand } from './commands/run.ts'
import { addRunsCommand } from './commands/runs.ts'
import { addSchedulesCommand } from './commands/schedules.ts'
import { addStoreCommand } from './commands/store.ts'
import { addTrafficCommand } from './commands/traffic.ts'
import { addTrialCommand } from './commands/trial.ts'
import { describeError } from './describe-error.ts'
import { EXIT, EXIT_CODES_HELP } from './exit-codes.ts'
import { printLine, type Terminal } from './terminal.ts'

const DESCRIPTION = `Names the node, NIC or link of a cluster that is bad, and proves it: an agent on every node, a collector
that has them measure each other with fping and iperf3, and this command to ask it.`

/** What only a lab knows is only loaded when nothing else says where the collector is. */
const findLabCollector = async (terminal: Terminal): Promise<string | undefined> => {
  const access = await import('./lab/running-labs.ts')
  return access.findLabCollector(terminal)
}

const createProgram = (terminal: Terminal): Command => {
  const program = new Command('meshgauge')
    .description(DESCRIPTION)
    .version(VERSION, '--version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .option(
      '--collector <host:port>',
      `the collector to ask (default: $MESHGAUGE_COLLECTOR, a lab's, ${DEFAULT_COLLECTOR})`,
    )
    .option('--json', 'print one JSON document')
    .option('--tls-ca <file>', 'authority that signed the other end, PEM')
    .option('--tls-cert <file>', 'our certificate, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--insecure', 'plaintext to or on an address that is not loopback')
    .option('--no-color', 'no colours, as $NO_COLOR')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      getOutHelpWidth: () => Math.min(terminal.stdout.columns ?? 110, 110),
      getErrHelpWidth: () => Math.min(terminal.stderr.columns ?? 110, 110),
    })
    .exitOverride()
  withExamples(program, [
    ['npm start', 'a trial fleet on this machine, measured, in a minute'],
    ['meshgauge collector --config fleet.yaml', 'the collector of a fleet'],
    ['meshgauge nodes', 'who is there'],
    ['meshgauge run mesh --test iperf --duration 10s', 'measure all, name the culprit'],
  ]).addHelpText('after', `\n${EXIT_CODES_HELP}`)
  return program
}

const addCommands = (program: Command, app: App): void => {
  const add = (group: string, ...commands: readonly ((program: Command, app: App) => void)[]) => {
    program.commandsGroup(group)
    for (const command of commands) command(program, app)
  }
  add(
    'Ask the collector:',
    addNodesCommand,
    addPlanCommand,
    addRunCommand,
    addRunsCommand,
    addMeshCommand,
    addProfilesCommand,
    addSchedulesCommand,
    addCoverageCommand,
    addStoreCommand,
    addReloadCommand,
    addTrafficCommand,
  )
  add('Ask the nodes:', addCheckCommand, addHealthCommand, addGateCommand)
  add('Run a part:', addAgentCommand, addCollectorCommand)
  add('On this machine:', addTrialCommand, addLabCommand)
}

/** Carries out what was typed and says how to end. */
export const runProgram = async (words: readonly string[], terminal: Terminal): Promise<number> => {
  let exitCode: number = EXIT.healthy
  let address = DEFAULT_COLLECTOR
  const program = createProgram(terminal)
  const separator = words.indexOf('--')
  const app = createApp({
    terminal,
    passThrough: separator === -1 ? [] : words.slice(separator + 1),
    findLabCollector,
    onExit: (code) => {
      exitCode = code
    },
    onAddress: (used) => {
      address = used
    },
  })
  addCommands(program, app)
  try {
    await program.parseAsync(separator === -1 ? [...words] : words.slice(0, separator), { from: 'user' })
    return exitCode
  } catch (error) {
    // Commander has said what is wrong itself.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.healthy : EXIT.usage
    const failure = describeError(error, address)
    if (!failure) throw error
    printLine(terminal.stderr, failure.message)
    return failure.exitCode
  }
}
