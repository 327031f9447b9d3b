import { isAbortError } from 'abort-controller-x'
import type { Command } from 'commander'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { counted } from '../../lib/units.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { followInteractively } from '../client/follow-interactively.ts'
import { followRun, readResults } from '../client/follow-run.ts'
import { readUpTo } from '../client/paging.ts'
import { CommandError } from '../command-errors.ts'
import { EXPORT_FORMATS } from '../completion/command-tree.ts'
import { EXIT, EXIT_CODES_HELP, type ExitCode } from '../exit-codes.ts'
import { renderArcaflow } from '../render/arcaflow.ts'
import { renderCsv } from '../render/csv.ts'
import { hasEnded } from '../render/enum-words.ts'
import { netperfOrchestrateDocument } from '../render/netperf-orchestrate.ts'
import {
  pairDocument,
  planDocument,
  resultDocument,
  runDocument,
  summaryDocument,
} from '../render/run-document.ts'
import { renderCancelled, renderRuns } from '../render/runs-text.ts'
import { printJson, printLine, type Terminal } from '../terminal.ts'
import { printRunReport } from './run.ts'

const DEFAULT_LIMIT = 50

const RUN_ARGUMENT = 'Id of the run, a unique prefix of it, or latest. Default latest.'

const getRun = async (client: CollectorClient, id = 'latest'): Promise<Run> => {
  const { run } = await client.runs.getRun({ runId: id })
  if (!run) throw new Error('the collector answered GetRun without a run')
  return run
}

const list = (invocation: Invocation<{ limit?: string }>): Promise<ExitCode> => {
  const { terminal, options, paint, read } = invocation
  const limit = read.integer('--limit', options.limit, 1, 1000) ?? DEFAULT_LIMIT
  return withClient(invocation, async (client) => {
    const { items } = await readUpTo(
      limit + 1,
      (page) => client.runs.listRuns(page),
      (page) => page.runs,
    )
    const runs = items.slice(0, limit)
    const older = items[limit]
    if (options.json) {
      const documents = runs.map((run) => ({
        ...runDocument(run),
        plan: run.plan && planDocument(run.plan),
        summary: summaryDocument(run),
      }))
      printJson(terminal.stdout, { runs: documents })
    } else printLine(terminal.stdout, renderRuns(runs, terminal.clock.now(), paint, older))
    if (older) printLine(terminal.stderr, 'There are older runs. Raise --limit.')
    return EXIT.healthy
  })
}

const show = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, stderrPaint } = invocation
    const run = await getRun(client, operands[0])
    return printRunReport(
      invocation,
      await followInteractively({ terminal, client }, run, { onInterrupt: 'leave', paint: stderrPaint }),
    )
  })

/** @throws CommandError if the run was not measured by iperf3 */
const exportArcaflow = (terminal: Terminal, run: Run, pairs: readonly PairResult[]): void => {
  const test = run.spec?.test
  const engine = test?.$case === 'iperf' ? test.value.engine || 'iperf3' : test?.$case
  if (engine !== 'iperf3') {
    const text = `--format arcaflow needs a run of iperf3, and run ${run.id} was measured by ${engine}; use --format json`
    throw new CommandError(text, EXIT.usage)
  }
  printLine(terminal.stdout, renderArcaflow(run, pairs))
  const without = pairs.filter(({ sourceHost }) => !sourceHost?.pcpJson).length
  if (without === 0) return
  const hint = 'Run with "--sample-hosts --sample-source pcp" to record them'
  printLine(terminal.stderr, `${without} of ${counted(pairs.length, 'pair')} without PCP samples. ${hint}.`)
}

/** One pair as a line of JSON, with its run, so that lines of several runs can be combined. */
const pairLine = (run: Run, pair: PairResult): string => {
  const { id, label, test, topology } = runDocument(run)
  return JSON.stringify({ run: { id, label, test, topology }, ...pairDocument(pair) })
}

const exportRun = (invocation: Invocation<{ format?: string }>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  const format = read.choice('--format', options.format, EXPORT_FORMATS) ?? 'json'
  return withClient(invocation, async (client) => {
    const run = await getRun(client, operands[0])
    const pairs = await readResults(client, run.id)
    if (format === 'csv') printLine(terminal.stdout, renderCsv(pairs))
    else if (format === 'arcaflow') exportArcaflow(terminal, run, pairs)
    else if (format === 'jsonl') for (const pair of pairs) printLine(terminal.stdout, pairLine(run, pair))
    else if (format === 'netperf-orchestrate')
      printJson(terminal.stdout, netperfOrchestrateDocument(run, pairs))
    else printJson(terminal.stdout, resultDocument(run, pairs))
    return EXIT.healthy
  })
}

/** Stopping the tests of a run takes a few seconds. */
const CANCEL_SECONDS = 30

/** Waits until a run that was cancelled has ended. Returns its last state: it may still be active after CANCEL_SECONDS. */
const untilEnded = async (terminal: Terminal, client: CollectorClient, cancelled: Run): Promise<Run> => {
  let last = cancelled
  const patience = new AbortController()
  const timer = terminal.clock.sleep(CANCEL_SECONDS, patience.signal).then(
    () => patience.abort(),
    () => undefined,
  )
  const watcher = {
    onRun: (run: Run) => {
      last = run
    },
    onLost: () => undefined,
  }
  try {
    if (!hasEnded(last)) await followRun(client, terminal.clock, last.id, watcher, patience.signal)
  } catch (error) {
    if (!isAbortError(error)) throw error
  } finally {
    patience.abort()
    await timer
  }
  return last
}

const cancel = (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  if (operands.length === 0) read.refuse('ID', 'is missing: give the run to cancel')
  return withClient(invocation, async (client) => {
    const { run: cancelled } = await client.runs.cancelRun({ runId: operands[0] ?? '' })
    if (!cancelled) throw new Error('the collector answered CancelRun without a run')
    const run = await untilEnded(terminal, client, cancelled)
    if (options.json) printJson(terminal.stdout, { run: runDocument(run) })
    else printLine(terminal.stdout, renderCancelled(run))
    return hasEnded(run) ? EXIT.healthy : EXIT.notMeasured
  })
}

export const addRunsCommand = (program: Command, app: App): void => {
  const runs = program
    .command('runs')
    .summary('List, show, export and cancel runs.')
    .description('List, show, export and cancel the runs of the collector, active and ended ones.')
  withExamples(runs, [
    ['meshgauge runs list', 'list runs, newest first'],
    ['meshgauge runs show', 'show the latest run; follow it if it is active'],
    ['meshgauge runs export 0198c2 --format csv > run.csv', 'export a run by a prefix of its id'],
    ['meshgauge runs export latest --format arcaflow', 'in the format of the Arcaflow iperf3 workflow'],
    ['meshgauge runs cancel latest', 'cancel the latest run'],
  ])
  app.handle(
    runs
      .command('list')
      .description('List runs, newest first.')
      .option('--limit <n>', `Number of runs, 1 to 1000. Default ${DEFAULT_LIMIT}.`),
    0,
    list,
    { isList: true },
  )
  app.handle(
    runs
      .command('show')
      .description(
        'Follow a run to its end and show its report. Ctrl-C stops following and does not cancel the run.',
      )
      .argument('[ID]', RUN_ARGUMENT)
      .addHelpText('after', `\n${EXIT_CODES_HELP}`),
    1,
    show,
  )
  app.handle(
    runs
      .command('export')
      .summary('Print everything about a run, in one of several formats.')
      .description(
        `Print everything that the collector has about a run, in one of these formats:
  json                 one JSON document
  jsonl                one JSON document per pair and line
  csv                  one line per pair
  arcaflow             one JSON document per pair and line, as the Arcaflow iperf3 workflow writes it
  netperf-orchestrate  one JSON list of results, as netperf-orchestrate exports it`,
      )
      .argument('[ID]', RUN_ARGUMENT)
      .option('--format <name>', `${EXPORT_FORMATS.join(', ')}. Default json.`),
    1,
    exportRun,
  )
  app.handle(
    runs
      .command('cancel')
      .description('Cancel a run. Active tests are stopped; finished results remain stored.')
      .argument('[ID]', 'Id of the run, a unique prefix of it, or latest.'),
    1,
    cancel,
  )
}
