import type { Command } from 'commander'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { addRunOptions, type RunOptions } from '../options/run-options.ts'
import { readRunSpec } from '../options/run-spec.ts'
import { describeTopologies, TOPOLOGY_HELP } from '../options/topology-options.ts'
import { renderPlan } from '../render/plan-text.ts'
import { planDocument } from '../render/run-document.ts'
import { printJson, printLine } from '../terminal.ts'

/** The collector needs some seconds to plan for a thousand nodes. */
export const PLANNING_DEADLINE_MS = 60_000

const DEFAULT_TEST = 'iperf'

type PlanOptions = RunOptions & { rackSize?: string; rounds?: boolean }

/** If the user made mistakes, adds those that the collector finds in the same spec. */
export const reviewPlan = (
  { reviewWithCollector }: Pick<Invocation<object>, 'reviewWithCollector'>,
  spec: RunSpec,
): Promise<void> => reviewWithCollector((client, deadline) => client.runs.planRun({ spec }, { deadline }))

/** Prints the plan of a run. Nothing is measured. */
export const printPlan = async (
  { terminal, options }: Invocation<object>,
  client: CollectorClient,
  spec: RunSpec,
  includeRounds = false,
): Promise<ExitCode> => {
  const request = { spec, includeRounds }
  const { plan, rounds } = await client.runs.planRun(request, { deadline: PLANNING_DEADLINE_MS })
  if (!plan) throw new Error('the collector answered PlanRun without a plan')
  if (options.json) {
    printJson(terminal.stdout, { ...planDocument(plan), ...(includeRounds ? { roundList: rounds } : {}) })
  } else {
    printLine(terminal.stdout, renderPlan(spec, plan))
    for (const [index, round] of rounds.entries()) {
      const pairs = round.pairs.map(
        ({ source, destination }) => `${source?.node} → ${destination?.node} ${source?.interface}`,
      )
      printLine(terminal.stdout, `  ${index + 1}: ${pairs.join(', ')}`)
    }
  }
  return plan.certified ? EXIT.healthy : EXIT.notMeasured
}

/** Plans for the current fleet, in the collector. */
const planFleet = async (invocation: Invocation<PlanOptions>): Promise<ExitCode> => {
  const { operands, options, read, problems } = invocation
  if (options.rackSize !== undefined)
    read.refuse('--rack-size', 'needs --count; the racks of a fleet come from its inventory')
  const spec = readRunSpec(operands[0], { test: DEFAULT_TEST, ...options }, read, problems)
  await reviewPlan(invocation, spec)
  return withClient(invocation, (client) => printPlan(invocation, client, spec, options.rounds))
}

/** A mesh of this many nodes has 100 million pairs, which take too long to plan. */
const MAX_COUNT = 10_000

/** Plans for a synthetic fleet, without a collector. */
const planCount = async (invocation: Invocation<PlanOptions>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems } = invocation
  const { count: countText, ...runOptions } = options
  const count = read.integer('--count', countText, 2, MAX_COUNT) ?? 2
  const rackSize = read.integer('--rack-size', options.rackSize, 1, MAX_COUNT)
  if (options.rounds) read.refuse('--rounds', 'needs a fleet, not --count')
  const spec = readRunSpec(operands[0], { test: DEFAULT_TEST, ...runOptions }, read, problems)
  invocation.throwIfWrong()
  const { planSynthetic } = await import('../plan-synthetic.ts')
  const plan = planSynthetic(spec, { count, rackSize })
  if (options.json) printJson(terminal.stdout, planDocument(plan))
  else printLine(terminal.stdout, renderPlan(spec, plan))
  return plan.certified ? EXIT.healthy : EXIT.notMeasured
}

export const addPlanCommand = (program: Command, app: App): void => {
  const command = program
    .command('plan')
    .summary('Show what a run would do, without sending anything.')
    .description(
      `Show what "meshgauge run" with the same options would do: pairs, rounds, the lower bound for the rounds, duration and
bytes. With --count, plan for a synthetic fleet; this needs no collector.

${describeTopologies()}`,
    )
    .argument('[TOPOLOGY]', TOPOLOGY_HELP)
    .optionsGroup('Plan for a synthetic fleet:')
    .option('--count <n>', 'Number of nodes, named node-1, node-2, … with one interface each.')
    .option('--rack-size <n>', 'Number of nodes per rack. Default: all in one rack.')
  addRunOptions(command, ` Default ${DEFAULT_TEST}.`)
    .optionsGroup('Output:')
    .option('--rounds', 'Also print the pairs of each round.')
  withExamples(command, [
    ['meshgauge plan mesh --interface net1 --duration 10s', 'how long a mesh takes'],
    ['meshgauge plan shifts --shifts 21 --json', 'fewer tests, with every node in them'],
    ['meshgauge plan mesh --count 1000 --rack-size 8 --uplink-cap 4 --json', 'plan for 1,000 nodes'],
  ])
  app.handle(command, 1, (invocation: Invocation<PlanOptions>) =>
    invocation.options.count === undefined ? planFleet(invocation) : planCount(invocation),
  )
}
