import type { Command } from 'commander'
import type { PairResult } from '#proto/meshgauge/collector/v1/result.ts'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../connection.ts'
import { EXIT, EXIT_CODES_HELP, type ExitCode } from '../exit.ts'
import { readResults } from '../follow.ts'
import { followInteractively } from '../follow-interactively.ts'
import { CommandError } from '../problems.ts'
import { renderArcaflow } from '../render/arcaflow.ts'
import { renderCsv } from '../render/csv.ts'
import {
  pairDocument,
  planDocument,
  resultDocument,
  runDocument,
  summaryDocument,
} from '../render/document.ts'
import { counted } from '../render/figures.ts'
import { netperfOrchestrateDocument } from '../render/netperf-orchestrate.ts'
import { renderRuns } from '../render/runs-text.ts'
import { stateWord } from '../render/words.ts'
import { printJson, printLine, type Terminal } from '../terminal.ts'
import { conclude } from './run.ts'

const RUN_ARGUMENT = 'the id, an unambiguous beginning of it, or latest (default: latest)'

const getRun = async (client: CollectorClient, id = 'latest'): Promise<Run> => {
  const { run } = await client.runs.getRun({ runId: id })
  if (!run) throw new Error('the collector answered GetRun without a run')
  return run
}

const list = (invocation: Invocation<{ limit?: string }>): Promise<ExitCode> => {
  const { terminal, options, paint, read } = invocation
  const pageSize = read.integer('--limit', options.limit, 1, 1000) ?? 0
  return withClient(invocation, async (client) => {
    const { runs } = await client.runs.listRuns({ pageSize })
    if (options.json) {
      const documents = runs.map((run) => ({
        ...runDocument(run),
        plan: run.plan && planDocument(run.plan),
        summary: summaryDocument(run),
      }))
      printJson(terminal.stdout, { runs: documents })
    } else printLine(terminal.stdout, renderRuns(runs, terminal.clock.now(), paint))
    return EXIT.healthy
  })
}

const show = (invocation: Invocation<object>): Promise<ExitCode> =>
  withClient(invocation, async (client) => {
    const { terminal, operands, stderrPaint } = invocation
    const run = await getRun(client, operands[0])
    return conclude(
      invocation,
      await followInteractively({ terminal, client }, run, { onInterrupt: 'leave', paint: stderrPaint }),
    )
  })

/** @throws CommandError for a run that is not of iperf3 */
const exportArcaflow = (terminal: Terminal, run: Run, pairs: readonly PairResult[]): void => {
  const test = run.spec?.test
  const engine = test?.$case === 'iperf' ? test.value.engine || 'iperf3' : test?.$case
  if (engine !== 'iperf3') {
    const text = `--format arcaflow is for runs of iperf3, and run ${run.id} is of ${engine}; use --format json`
    throw new CommandError(text, EXIT.usage)
  }
  printLine(terminal.stdout, renderArcaflow(run, pairs))
  const without = pairs.filter(({ sourceHost }) => !sourceHost?.pcpJson).length
  if (without === 0) return
  const hint = 'measure with "--sample-hosts --sample-source pcp" to have them'
  printLine(
    terminal.stderr,
    `${without} of ${counted(pairs.length, 'pair')} without samples of PCP; ${hint}.`,
  )
}

const FORMATS = ['json', 'jsonl', 'csv', 'arcaflow', 'netperf-orchestrate'] as const

/** A pair by itself, with the run it belongs to: lines of several runs may be put together. */
const pairLine = (run: Run, pair: PairResult): string => {
  const { id, label, test, topology } = runDocument(run)
  return JSON.stringify({ run: { id, label, test, topology }, ...pairDocument(pair) })
}

const exportRun = (invocation: Invocation<{ format?: string }>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  const format = read.choice('--format', options.format, FORMATS) ?? 'json'
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

const cancel = (invocation: Invocation<object>): Promise<ExitCode> => {
  const { terminal, operands, options, read } = invocation
  if (operands.length === 0) read.refuse('ID', 'is missing: which run to cancel')
  return withClient(invocation, async (client) => {
    const { run } = await client.runs.cancelRun({ runId: operands[0] ?? '' })
    if (!run) throw new Error('the collector answered CancelRun without a run')
    if (options.json) printJson(terminal.stdout, { run: runDocument(run) })
    else printLine(terminal.stdout, `Run ${run.id}: ${stateWord(run.state)}. What was measured is kept.`)
    return EXIT.healthy
  })
}

export const addRunsCommand = (program: Command, app: App): void => {
  const runs = program
    .command('runs')
    .summary('list, show, export and cancel runs')
    .description('The runs that the collector keeps, under way or long ago.')
  withExamples(runs, [
    ['meshgauge runs list', 'newest first'],
    ['meshgauge runs show', 'the latest one, followed to its end when it still goes on'],
    ['meshgauge runs export 0198c2 --format csv > run.csv', 'by the beginning of its id'],
    ['meshgauge runs export latest --format arcaflow', 'as the Arcaflow iperf3 workflow puts it out'],
    ['meshgauge runs cancel latest', 'what was measured is kept'],
  ])
  app.handle(
    runs
      .command('list')
      .description('Lists the runs, newest first.')
      .option('--limit <n>', 'at most so many, up to 1000 (default: 50)'),
    0,
    list,
  )
  app.handle(
    runs
      .command('show')
      .description('Shows a run as "meshgauge run" does, following it to its end. Ctrl-C only stops looking.')
      .argument('[ID]', RUN_ARGUMENT)
      .addHelpText('after', `\n${EXIT_CODES_HELP}`),
    1,
    show,
  )
  app.handle(
    runs
      .command('export')
      .description(
        `Prints everything about a run, as far as it is: one JSON document (json); a JSON document a line for each pair
(jsonl); a line of CSV for each pair (csv); for each pair a line of JSON in the shape of the Arcaflow iperf3 workflow:
uuid, run_id, iperf3, metadata, pcp (arcaflow); or the list of results that netperf-orchestrate exports, its stdout
written in netperf's key=value style from what is kept (netperf-orchestrate).`,
      )
      .argument('[ID]', RUN_ARGUMENT)
      .option('--format <name>', `${FORMATS.join(', ')} (default: json)`),
    1,
    exportRun,
  )
  app.handle(
    runs
      .command('cancel')
      .description('Ends a run: what is under way is stopped, what was measured is kept.')
      .argument('[ID]', 'the id, an unambiguous beginning of it, or latest'),
    1,
    cancel,
  )
}
