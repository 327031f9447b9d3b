import type { Command } from 'commander'
import type { ReloadFleetResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printJson, printLine } from '../terminal.ts'

/** More names than this are counted instead of listed: a fleet can change by thousands of nodes. */
const MAX_NAMES = 10

const namesOf = (names: readonly string[]): string => {
  const more = names.length - MAX_NAMES
  return names.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

const render = ({ added, removed, changed, restartRequired }: ReloadFleetResponse): string => {
  const changes = [
    ['added', added],
    ['removed', removed],
    ['changed', changed],
  ] as const
  const lines = changes.flatMap(([word, names]) =>
    names.length === 0 ? [] : [`${word.padEnd(8)} ${names.length}: ${namesOf(names)}`],
  )
  if (lines.length === 0) lines.push('Read the configuration again. The nodes are the same.')
  if (restartRequired.length > 0)
    lines.push(`Restart the collector to apply the changes of: ${restartRequired.join(', ')}.`)
  return lines.join('\n')
}

const reload = ({ terminal, options, connect }: Invocation<object>): Promise<ExitCode> =>
  withClient({ connect }, async (client) => {
    const answer = await client.fleet.reloadFleet({})
    if (options.json) printJson(terminal.stdout, answer)
    else printLine(terminal.stdout, render(answer))
    return EXIT.healthy
  })

export const addReloadCommand = (program: Command, app: App): void => {
  const command = program
    .command('reload')
    .summary('Make the collector read its configuration again.')
    .description(
      `Make the collector read its configuration again, as SIGHUP does. It applies changes of nodes, checks, profiles and
schedules. Unchanged nodes and active runs continue. If the configuration has problems, nothing changes and every
problem is listed (exit code 2).`,
    )
  withExamples(command, [['meshgauge reload', 'apply a change of fleet.yaml']])
  app.handle(command, 0, reload)
}
