import type { Command } from 'commander'
import { GetCoverageResponse } from '#proto/meshgauge/collector/v1/schedule.ts'
import { toDuration } from '../../lib/protobuf-time.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { readUpTo } from '../client/paging.ts'
import type { ExitCode } from '../exit-codes.ts'
import { coverageAnswerDocument } from '../render/schedule-document.ts'
import { coverageExitCode, renderCoverage } from '../render/schedules-text.ts'
import { printJson, printLine } from '../terminal.ts'

type CoverageOptions = { test?: string; within?: string; interface?: string; limit?: string }

/** The collector needs about 1 s for a million pairs. */
const DEADLINE_MS = 60_000

const coverage = (invocation: Invocation<CoverageOptions>): Promise<ExitCode> => {
  const { terminal, options, read, paint } = invocation
  const within = read.seconds('--within', options.within)
  const request = {
    test: read.choice('--test', options.test, ['ping', 'iperf']) ?? '',
    within: within === undefined ? undefined : toDuration(within),
    interface: options.interface ?? '',
  }
  const limit = read.integer('--limit', options.limit, 1, 5000) ?? 100
  return withClient(invocation, async (client) => {
    let answer = GetCoverageResponse.fromPartial({})
    const { items: overdue } = await readUpTo(
      limit,
      async (page) => {
        answer = await client.schedules.getCoverage({ ...request, ...page }, { deadline: DEADLINE_MS })
        return answer
      },
      (page) => page.overdue,
    )
    answer = { ...answer, overdue }
    if (options.json) printJson(terminal.stdout, coverageAnswerDocument(answer))
    else {
      const now = terminal.clock.now()
      printLine(terminal.stdout, renderCoverage(answer, { within: options.within ?? '7d', now, paint }))
    }
    return coverageExitCode(answer)
  })
}

export const addCoverageCommand = (program: Command, app: App): void => {
  const command = program
    .command('coverage')
    .summary('Show which pairs were measured recently.')
    .description(
      `Show how many pairs of the fleet were measured within a time, by any run. List the pairs that were not: first those
never measured, then the oldest.`,
    )
    .option('--test <name>', 'ping or iperf. Default iperf.')
    .option('--within <time>', 'The time, until now. Default 7d.')
    .option('--interface <name>', 'Only pairs of this interface. Default: all interfaces.')
    .option('--limit <n>', 'Number of pairs to list, 1 to 5000. Default 100.')
  withExamples(command, [
    ['meshgauge coverage', 'throughput tests of the last week'],
    ['meshgauge coverage --test ping --within 1h', ''],
    ['meshgauge coverage --within 30d --interface net1 --json', ''],
  ]).addHelpText('after', '\nExit codes: 0 every pair is covered, 1 pairs are overdue, 3 there are no pairs')
  app.handle(command, 0, coverage, { isList: true })
}
