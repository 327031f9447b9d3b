import { Command, CommanderError, Help } from 'commander'
import { VERSION } from '../lib/version.ts'
import { type App, createApp, HELP_WIDTH, joinParagraphs, withExamples } from './app.ts'
import { DEFAULT_COLLECTOR } from './client/connection.ts'
import { addAgentCommand } from './commands/agent.ts'
import { addCheckCommand } from './commands/check.ts'
import { addCollectorCommand } from './commands/collector.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { addConfigCommand } from './commands/config.ts'
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
import { describeError, errorDocument } from './describe-error.ts'
import { EXIT, EXIT_CODES_HELP } from './exit-codes.ts'
import { printJson, printLine, type Terminal } from './terminal.ts'

const DESCRIPTION = `Finds the bad node, NIC or link of a cluster, with evidence. An agent runs on every node. A collector tells the agents
when to measure each other with fping and iperf3. This command talks to the collector.`

/** Loads the lab's modules only if neither an option nor the environment names the collector. */
const findLabCollectors = async (terminal: Terminal) => {
  const access = await import('./lab/running-labs.ts')
  return access.findLabCollectors(terminal)
}

/** Wraps each line of a text. A line of a list, such as `  ring  Each node…`, continues below its second column. */
const wrapLines = (text: string, width: number): string =>
  text
    .split('\n')
    .map((line) => {
      const [head = ''] = /^ +(?:\S+ {2,})?/.exec(line) ?? []
      const rest = Help.prototype.boxWrap.call(plainHelp, line.slice(head.length), width - head.length)
      return head + rest.replaceAll('\n', `\n${' '.repeat(head.length)}`)
    })
    .join('\n')

const plainHelp = new Help()

const createProgram = (terminal: Terminal, json: boolean): Command => {
  const program = new Command('meshgauge')
    .description(DESCRIPTION)
    .version(VERSION, '--version', 'Print the version.')
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand('help [command]', 'Show the help of a command.')
    .option(
      '--collector <host:port>',
      `Address of the collector. Default: $MESHGAUGE_COLLECTOR, else the collector of the only running lab, else ${DEFAULT_COLLECTOR}.`,
    )
    .option('--json', 'Print one JSON document.')
    .option('--tls-ca <file>', "CA certificate that signed the peer's certificate, in PEM.")
    .option('--tls-cert <file>', 'Certificate of this process, in PEM.')
    .option('--tls-key <file>', 'Private key of --tls-cert, in PEM.')
    .option('--insecure', 'Allow plaintext on addresses other than loopback.')
    .option('--no-color', 'Print no colours. The same as $NO_COLOR.')
    .configureHelp({
      showGlobalOptions: true,
      commandDescription: (command) => joinParagraphs(command.description()),
      boxWrap: wrapLines,
    })
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      // With --json, the JSON document has the message.
      outputError: (text, write) => (json ? undefined : write(text)),
      getOutHelpWidth: () => Math.min(terminal.stdout.columns ?? HELP_WIDTH, HELP_WIDTH),
      getErrHelpWidth: () => Math.min(terminal.stderr.columns ?? HELP_WIDTH, HELP_WIDTH),
    })
    .exitOverride()
  withExamples(program, [
    ['npm start', 'start a trial fleet on this machine and measure it (1 minute)'],
    ['meshgauge collector --config fleet.yaml', 'run the collector of a fleet'],
    ['meshgauge nodes', 'list the nodes of the fleet'],
    ['meshgauge run mesh --test iperf --duration 10s', 'measure every pair and name the culprit'],
  ]).addHelpText('after', `\n${EXIT_CODES_HELP}`)
  return program
}

const addCommands = (program: Command, app: App): void => {
  const add = (group: string, ...commands: readonly ((program: Command, app: App) => void)[]) => {
    program.commandsGroup(group)
    for (const command of commands) command(program, app)
  }
  add(
    'Commands for the fleet:',
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
  add('Commands for node health:', addCheckCommand, addHealthCommand, addGateCommand)
  add('Commands that run a service:', addAgentCommand, addCollectorCommand, addConfigCommand)
  add('Commands for this machine:', addTrialCommand, addLabCommand, addCompletionCommand)
}

/** All commands, for documents that are made from them. None of them is run. */
export const buildProgram = (terminal: Terminal): Command => {
  const program = createProgram(terminal, false)
  const app = createApp({
    terminal,
    passThrough: [],
    findLabCollectors,
    onExit: () => undefined,
    onAddress: () => undefined,
  })
  addCommands(program, app)
  return program
}

/** Runs the command that the user typed. Returns the exit code of the process. */
export const runCommandLine = async (words: readonly string[], terminal: Terminal): Promise<number> => {
  let exitCode: number = EXIT.healthy
  let address = DEFAULT_COLLECTOR
  const separator = words.indexOf('--')
  const own = separator === -1 ? [...words] : words.slice(0, separator)
  const json = own.includes('--json')
  const program = createProgram(terminal, json)
  const app = createApp({
    terminal,
    passThrough: separator === -1 ? [] : words.slice(separator + 1),
    findLabCollectors,
    onExit: (code) => {
      exitCode = code
    },
    onAddress: (used) => {
      address = used
    },
  })
  addCommands(program, app)
  try {
    await program.parseAsync(own, { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.healthy
      // Commander has already printed the message, except with --json.
      if (json) printJson(terminal.stdout, errorDocument({ message: error.message, exitCode: EXIT.usage }))
      return EXIT.usage
    }
    const failure = describeError(error, address)
    if (!failure) throw error
    if (json) printJson(terminal.stdout, errorDocument(failure))
    else printLine(terminal.stderr, failure.message)
    return failure.exitCode
  }
}
