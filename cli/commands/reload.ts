import type { Command } from 'commander'
import type { ReloadFleetResponse } from '#proto/meshgauge/collector/v1/fleet.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printJson, printLine } from '../terminal.ts'

/** A fleet may change by thousands of nodes; nobody reads more names than that. */
const MAX_NAMES = 10

const namesOf = (names: readonly string[]): string => {
  const more = names.length - MAX_NAMES
  return names.slice(0, MAX_NAMES).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

const render = ({ added, removed, changed, restartRequired }: ReloadFleetResponse): string => {
  const changes = [
    ['come', added],
    ['gone', removed],
    ['changed', changed],
  ] as const
  const lines = changes.flatMap(([word, names]) =>
    names.length === 0 ? [] : [`${word.padEnd(8)} ${names.length}: ${namesOf(names)}`],
  )
  if (lines.length === 0) lines.push('The config was read again; the nodes are the same.')
  if (restartRequired.length > 0)
    lines.push(`Restart the collector for what else has changed: ${restartRequired.join(', ')}.`)
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
    .summary('have the collector read its config again')
    .description(
      `Has the collector read its config again, as SIGHUP does. Nodes, checks, profiles and schedules change
in place: who stays is not disturbed, and runs that have begun go on. A config with problems changes nothing and is told
in full (exit 2).`,
    )
  withExamples(command, [['meshgauge reload', 'after nodes were added to fleet.yaml']])
  app.handle(command, 0, reload)
}
