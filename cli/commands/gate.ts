import type { Command } from 'commander'
import { toDuration } from '../../lib/protobuf-time.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { ExitCode } from '../exit-codes.ts'
import { gateDocument, gateExitCode, renderGate } from '../render/health-text.ts'
import { printJson, printLine } from '../terminal.ts'

type GateOptions = { nodes?: string; maxAge?: string; runMissing?: boolean; checks?: string }

/** The collector first requests the state of every agent. */
const ASK_DEADLINE_MS = 60_000
/** The longest check may take 4 h. */
const RUN_DEADLINE_MS = 5 * 3_600_000

const gate = async (invocation: Invocation<GateOptions>): Promise<ExitCode> => {
  const { terminal, options, paint, read, reviewWithCollector } = invocation
  const nodes = read.list('--nodes', options.nodes)
  if (options.nodes === undefined)
    read.refuse('--nodes', "is missing: give the job's nodes, such as gpu-01,gpu-02")
  const maxAge = read.seconds('--max-age', options.maxAge)
  const checks = read.list('--checks', options.checks)
  await reviewWithCollector((client, deadline) => client.fleet.listNodes({ nodes }, { deadline }))
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
    .summary('Decide whether nodes may take a job.')
    .description(
      `Decide whether nodes are fit for a job, and print every reason against it: a failed check that no equally thorough
check has passed since, a verdict of a run that names the node, a required check that is missing or too old, or an
agent that does not answer. For use in a Slurm prolog, a Kueue admission check or a pipeline.

The required checks are those that the collector runs at intervals. If there are none, they are all checks that can run
on the node and do not disturb a job.`,
    )
    .option('--nodes <selectors>', "The job's nodes: names or labels, such as gpu-[01-16,20],rack=r3.")
    .option('--max-age <time>', 'Age at which a check result counts as missing. Default 1h.')
    .option('--run-missing', 'Run the missing checks, then decide.')
    .option('--checks <names>', 'Require only these checks, such as interfaces,dcgm.')
  withExamples(command, [
    ['meshgauge gate --nodes gpu-01,gpu-02', ''],
    ['meshgauge gate --nodes rack=r3 --max-age 10m --run-missing', 'recent results for a whole rack'],
    ['meshgauge gate --nodes "$(scontrol show hostnames | paste -sd,)"', 'in a Slurm prolog'],
  ]).addHelpText(
    'after',
    '\nExit codes: 0 open, 1 closed, 2 wrong usage, 3 closed because results are missing',
  )
  app.handle(command, 0, gate)
}
