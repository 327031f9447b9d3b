import type { Command } from 'commander'
import { toDuration } from '../../lib/protobuf-time.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { ExitCode } from '../exit.ts'
import { gateDocument, gateExitCode, renderGate } from '../render/health-text.ts'
import { printJson, printLine } from '../terminal.ts'

type GateOptions = { nodes?: string; maxAge?: string; runMissing?: boolean; checks?: string }

/** The collector asks every agent how it is first. */
const ASK_DEADLINE_MS = 60_000
/** The longest check has four hours; each bounds itself. */
const RUN_DEADLINE_MS = 5 * 3_600_000

const gate = (invocation: Invocation<GateOptions>): Promise<ExitCode> => {
  const { terminal, options, paint, read } = invocation
  const nodes = read.list('--nodes', options.nodes)
  if (options.nodes === undefined)
    read.refuse('--nodes', "is missing: the job's nodes, such as gpu-01,gpu-02")
  const maxAge = read.seconds('--max-age', options.maxAge)
  const checks = read.list('--checks', options.checks)
  return withClient(invocation, async (client) => {
    const request = {
      nodes,
      checks,
      runMissing: options.runMissing === true,
      ...(maxAge === undefined ? {} : { maxAge: toDuration(maxAge) }),
    }
    const deadline = request.runMissing ? RUN_DEADLINE_MS : ASK_DEADLINE_MS
    const response = await client.health.checkGate(request, { deadline })
    if (options.json) printJson(terminal.stdout, gateDocument(response))
    else printLine(terminal.stdout, renderGate(response, paint))
    return gateExitCode(response)
  })
}

export const addGateCommand = (program: Command, app: App): void => {
  const command = program
    .command('gate')
    .summary('may a job have these nodes?')
    .description(
      `Says whether nodes are fit for a job, with every reason why not: a check that fails, or failed and was
not cleared by one at least as heavy; a verdict of a run that blames the node; a check that was not run or is too
old; a silent agent. For a Slurm prolog, a Kueue admission check or a pipeline.

The checks that must have passed are those that the collector runs at intervals, or without any all that can run
on the node and disturb nothing.`,
    )
    .option('--nodes <selectors>', "the job's nodes: names or labels, such as gpu-01,rack=r3")
    .option('--max-age <time>', 'what is older counts as missing (default: 1h)')
    .option('--run-missing', 'run what is missing, then answer')
    .option('--checks <names>', 'only these checks must have passed, such as interfaces,dcgm')
  withExamples(command, [
    ['meshgauge gate --nodes gpu-01,gpu-02', ''],
    ['meshgauge gate --nodes rack=r3 --max-age 10m --run-missing', 'fresh figures for a whole rack'],
    ['meshgauge gate --nodes "$(scontrol show hostnames | paste -sd,)"', 'in a Slurm prolog'],
  ]).addHelpText('after', '\nExit codes: 0 open, 1 closed, 2 wrong usage, 3 too little is known')
  app.handle(command, 0, gate)
}
