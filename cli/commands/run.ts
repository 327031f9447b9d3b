import type { Command } from 'commander'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { type FollowedRun, followInteractively } from '../client/follow-interactively.ts'
import { createIdempotently } from '../client/idempotent-create.ts'
import { EXIT, EXIT_CODES_HELP, type ExitCode } from '../exit-codes.ts'
import { addProbeCount, addRunOptions } from '../options/run-options.ts'
import { readRunSpec } from '../options/run-spec.ts'
import { describeTopologies, TOPOLOGY_HELP } from '../options/topology-options.ts'
import { hasEnded } from '../render/enum-words.ts'
import { resultDocument, runDocument } from '../render/run-document.ts'
import { runExitCode } from '../render/run-headline.ts'
import { renderReport } from '../render/run-report.ts'
import { printJson, printLine } from '../terminal.ts'
import { PLANNING_DEADLINE_MS, printPlan, reviewPlan } from './plan.ts'
import { type ProfileOptions, runProfile } from './run-profile.ts'

/** Prints the report of a followed run. Returns the exit code of the command. */
export const printRunReport = (
  invocation: Invocation<object>,
  { run, pairs, interrupted }: FollowedRun,
): ExitCode => {
  const { terminal, options, paint } = invocation
  if (interrupted && !hasEnded(run)) {
    printLine(
      terminal.stderr,
      `The run may continue in the collector. Follow it with "meshgauge runs show ${run.id}".`,
    )
    return EXIT.interrupted
  }
  if (options.json) printJson(terminal.stdout, resultDocument(run, pairs))
  else printLine(terminal.stdout, renderReport(run, pairs, { paint, columns: terminal.stdout.columns }))
  return interrupted ? EXIT.interrupted : runExitCode(run)
}

/** Starts a run. If Ctrl-C is pressed before the collector answers, cancels the run, whose id the user has not seen. */
const createRun = async (
  { terminal }: Invocation<object>,
  client: CollectorClient,
  spec: ReturnType<typeof readRunSpec>,
): Promise<{ run: Run; interrupted: boolean }> => {
  let interrupted = false
  const stopListening = terminal.onInterrupt(() => {
    interrupted = true
  })
  try {
    const { run } = await createIdempotently(terminal.clock, (requestId) =>
      client.runs.createRun({ spec, requestId }, { deadline: PLANNING_DEADLINE_MS }),
    )
    if (!run) throw new Error('the collector answered CreateRun without a run')
    if (interrupted) await client.runs.cancelRun({ runId: run.id })
    return { run, interrupted }
  } finally {
    stopListening()
  }
}

const run = async (invocation: Invocation<ProfileOptions>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems, stderrPaint, passThrough } = invocation
  const spec = readRunSpec(operands[0], options, read, problems, passThrough)
  await reviewPlan(invocation, spec)
  return withClient(invocation, async (client) => {
    if (options.dryRun) return printPlan(invocation, client, spec)
    const created = await createRun(invocation, client, spec)
    if (created.interrupted) return EXIT.interrupted
    if (options.detach) {
      if (options.json) printJson(terminal.stdout, { run: runDocument(created.run) })
      else printLine(terminal.stdout, created.run.id)
      return EXIT.healthy
    }
    const followed = await followInteractively({ terminal, client }, created.run, {
      onInterrupt: 'cancel',
      paint: stderrPaint,
    })
    return printRunReport(invocation, followed)
  })
}

export const addRunCommand = (program: Command, app: App): void => {
  const command = program
    .command('run')
    .summary('Measure pairs of nodes and name the culprit.')
    .description(
      `Measure the pairs of a topology. Show progress, then the answer: the culprits with the evidence, or that none was
found, and a matrix for each interface (row sends, column receives).

${describeTopologies()}

Arguments after -- are passed to netperf unchanged. Arguments that choose peers, files or programs are refused.

The run belongs to the collector. The first Ctrl-C cancels it and shows the results until then. The second Ctrl-C leaves at
once.`,
    )
    .argument('[TOPOLOGY]', TOPOLOGY_HELP)
  addProbeCount(addRunOptions(command, ' Required without --profile.'))
    .optionsGroup('Run a profile instead of one test:')
    .option(
      '--profile <name>',
      'Run the tests of a profile in order. Name of a profile of the collector ("meshgauge profiles list"), or a YAML file.',
    )
    .optionsGroup('How to wait:')
    .option('--dry-run', 'Show the plan only. Nothing is sent.')
    .option('--detach', 'Print the id of the run and exit. Follow it with "meshgauge runs show ID".')
  withExamples(command, [
    ['meshgauge run mesh --test iperf --duration 2s', 'throughput of every pair on every interface'],
    ['meshgauge run mesh --test ping --interface net0,net1', 'loss and round-trip time'],
    ['meshgauge run ring --test iperf --nodes rack=r3 -P 4', 'one rack, four streams per test'],
    [
      'meshgauge run --matrix clients.txt servers.txt --test iperf',
      'two text lists with one address per line',
    ],
    ['meshgauge run star --center gpu-01 --test ping --count 100', 'one node and all others'],
    [
      'meshgauge run ring --test iperf --sample-hosts 500ms --json',
      'with samples of both hosts of each pair',
    ],
    ['meshgauge run mesh --test iperf --expect throughput_min=9G', 'exit code 1 if a pair is slower'],
    ['meshgauge run mesh --test iperf --rr 64,64 --udp', 'transactions and their latency, with netperf'],
    ['meshgauge run mesh --test iperf --engine netperf -- -d rr -o P99_LATENCY', 'pass options to netperf'],
    ['meshgauge run --profile baseline --nodes rack=r3', 'a set of tests with expectations'],
    ['meshgauge run mesh --test iperf --json > mesh.json', 'one JSON document; progress goes to stderr'],
  ]).addHelpText('after', `\n${EXIT_CODES_HELP}`)
  const handler = (invocation: Invocation<ProfileOptions & { delay?: boolean }>) => {
    // Commander sets `delay` to false for --no-delay.
    const { delay, ...options } = invocation.options
    const typed = { ...invocation, options: { ...options, ...(delay === false ? { noDelay: true } : {}) } }
    return options.profile === undefined ? run(typed) : runProfile(typed)
  }
  app.handle(command, 1, handler, { passesThrough: true })
}
