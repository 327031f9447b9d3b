import type { Command } from 'commander'
import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import { createIdempotently } from '../client/idempotent-create.ts'
import type { CollectorClient } from '../connection.ts'
import { EXIT, EXIT_CODES_HELP, type ExitCode } from '../exit.ts'
import { type Attended, followInteractively } from '../follow-interactively.ts'
import { addProbeCount, addRunOptions } from '../options/run-options.ts'
import { readRunSpec } from '../options/run-spec.ts'
import { resultDocument, runDocument } from '../render/document.ts'
import { exitCodeOf } from '../render/judgement.ts'
import { renderReport } from '../render/report.ts'
import { hasEnded } from '../render/words.ts'
import { printJson, printLine } from '../terminal.ts'
import { PLANNING_DEADLINE_MS, printPlan } from './plan.ts'
import { type ProfileOptions, runProfile } from './run-profile.ts'

/** Prints what became of a run and says how the command ends. */
export const conclude = (invocation: Invocation<object>, { run, pairs, interrupted }: Attended): ExitCode => {
  const { terminal, options, paint } = invocation
  if (interrupted && !hasEnded(run)) {
    printLine(terminal.stderr, `The run may still go on. Follow it with "meshgauge runs show ${run.id}".`)
    return EXIT.interrupted
  }
  if (options.json) printJson(terminal.stdout, resultDocument(run, pairs))
  else printLine(terminal.stdout, renderReport(run, pairs, { paint, columns: terminal.stdout.columns }))
  return interrupted ? EXIT.interrupted : exitCodeOf(run, pairs)
}

/** Starts a run; Ctrl-C meanwhile does not leave one behind that nobody knows of. */
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

const run = (invocation: Invocation<ProfileOptions>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems, stderrPaint, passThrough } = invocation
  const spec = readRunSpec(operands[0], options, read, problems, passThrough)
  return withClient(invocation, async (client) => {
    if (options.dryRun) return printPlan(invocation, client, spec)
    const created = await createRun(invocation, client, spec)
    if (created.interrupted) return EXIT.interrupted
    if (options.detach) {
      if (options.json) printJson(terminal.stdout, { run: runDocument(created.run) })
      else printLine(terminal.stdout, created.run.id)
      return EXIT.healthy
    }
    const attended = await followInteractively({ terminal, client }, created.run, {
      onInterrupt: 'cancel',
      paint: stderrPaint,
    })
    return conclude(invocation, attended)
  })
}

export const addRunCommand = (program: Command, app: App): void => {
  const command = program
    .command('run')
    .summary('measure pairs of nodes and say who is to blame')
    .description(
      `Measures the pairs of a topology, shows how far it is, and ends with the answer: who is to blame and why, or
that nobody is; then a matrix for each interface (row sends, column receives).

TOPOLOGY is one of
  ring    each node to the next one, the last to the first
  mesh    each node to each other
  matrix  each client to each server (--matrix, or --clients and --servers)
  star    one node to each other and back (--center)
  shifts  each node to k others that stand at random distances (--shifts, --seed)
  pairs   a list (--pairs)

Words after -- go to netperf as they are; those that choose peers, files or programs are refused.

The run goes on in the collector. Ctrl-C cancels it and shows what was measured; twice leaves at once.`,
    )
    .argument('[TOPOLOGY]', 'ring, mesh, matrix, star, shifts or pairs')
  addProbeCount(addRunOptions(command, ''))
    .optionsGroup('Instead of one test:')
    .option(
      '--profile <name>',
      'the tests of a profile, one after the other: one that the collector has, or a YAML file ("meshgauge profiles")',
    )
    .optionsGroup('How to wait:')
    .option('--dry-run', 'only say what it would do; nothing is sent')
    .option('--detach', 'print the id and leave; "meshgauge runs show ID" follows the run')
  withExamples(command, [
    ['meshgauge run mesh --test iperf --duration 2s', 'every pair of the fleet, on every interface'],
    ['meshgauge run mesh --test ping --interface net0,net1', 'loss and round-trip times'],
    ['meshgauge run ring --test iperf --nodes rack=r3 -P 4', 'one rack, four streams each'],
    ['meshgauge run --matrix clients.txt servers.txt --test iperf', 'two text lists, an address a line'],
    ['meshgauge run star --center gpu-01 --test ping --count 100', 'one node and all the others'],
    ['meshgauge run ring --test iperf --sample-hosts 500ms --json', 'with what both hosts of each pair did'],
    ['meshgauge run mesh --test iperf --expect throughput_min=9G', 'exit code 1 when a pair has less'],
    ['meshgauge run mesh --test iperf --rr 64,64 --udp', 'transactions and their latency, by netperf'],
    [
      'meshgauge run mesh --test iperf --engine netperf -- -d rr -o P99_LATENCY',
      "with netperf's own options",
    ],
    ['meshgauge run --profile baseline --nodes rack=r3', 'a set of tests with what they must reach'],
    ['meshgauge run mesh --test iperf --json > mesh.json', 'one JSON document; progress is on stderr'],
  ]).addHelpText('after', `\n${EXIT_CODES_HELP}`)
  const handler = (invocation: Invocation<ProfileOptions & { delay?: boolean }>) => {
    // Commander turns --no-delay into delay: false.
    const { delay, ...options } = invocation.options
    const typed = { ...invocation, options: { ...options, ...(delay === false ? { noDelay: true } : {}) } }
    return options.profile === undefined ? run(typed) : runProfile(typed)
  }
  app.handle(command, 1, handler, { passesThrough: true })
}
