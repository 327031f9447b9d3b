import type { Command } from 'commander'
import { counted } from '../../lib/units.ts'
import { type App, type Invocation, withExamples } from '../app.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printJson, printLine } from '../terminal.ts'

/** Checks a configuration. Needs no collector. @throws ConfigError with all problems */
const check = async (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read, security } = invocation
  const [file] = operands
  if (file === undefined) read.refuse('FILE', 'is missing: give the configuration to check')
  invocation.throwIfWrong()
  const { readCollectorOptions } = await import('../../collector/options.ts')
  const isYaml = /\.(ya?ml|json)$/i.test(file!)
  const config = await readCollectorOptions({
    inventory: { kind: isYaml ? 'config' : 'hosts', file: file! },
    listen: undefined,
    http: undefined,
    store: undefined,
    autopilot: { port: undefined, address: undefined },
    defaultSchedules: true,
    security,
    logLevel: 'info',
  })
  const counts = {
    nodes: config.nodes.length,
    checks: config.checks.length,
    schedules: config.schedules.length,
    profiles: config.profiles.length,
  }
  if (options.json) printJson(terminal.stdout, { valid: true, file, ...counts })
  else {
    const parts = Object.entries(counts).map(([noun, count]) => counted(count, noun.slice(0, -1)))
    printLine(terminal.stdout, `${file} is valid: ${parts.join(', ')}.`)
  }
  return EXIT.healthy
}

const schema = async ({ terminal, throwIfWrong }: Invocation<object>): Promise<ExitCode> => {
  throwIfWrong()
  const { configJsonSchema } = await import('../../collector/config/json-schema.ts')
  printJson(terminal.stdout, configJsonSchema())
  return EXIT.healthy
}

export const addConfigCommand = (program: Command, app: App): void => {
  const config = program
    .command('config')
    .summary('Check the configuration of a collector.')
    .description(
      'Check the configuration of a collector before it is used, or print its JSON Schema for an editor. Both need no collector.',
    )
  withExamples(config, [
    ['meshgauge config check fleet.yaml', 'list every problem of a file; exit code 2 if there is one'],
    ['meshgauge config schema > meshgauge.schema.json', 'for editors that complete and check YAML'],
  ])
  app.handle(
    config
      .command('check')
      .description(
        'List every problem of a configuration with its location. A file that does not end in .yaml is a list of hosts. The schedules include the built-in ones.',
      )
      .argument('[FILE]', 'The file, as for "meshgauge collector --config" or --hosts.'),
    1,
    check,
  )
  app.handle(config.command('schema').description('Print the JSON Schema of the configuration.'), 0, schema)
}
