import type { Command } from 'commander'
import type { RunSpec } from '#proto/meshgauge/collector/v1/run.ts'
import { type App, type Invocation, withClient, withExamples } from '../app.ts'
import type { CollectorClient } from '../client/connection.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { addRunOptions, type RunOptions } from '../options/run-options.ts'
import { readRunSpec } from '../options/run-spec.ts'
import { renderPlan } from '../render/plan-text.ts'
import { planDocument } from '../render/run-document.ts'
import { printJson, printLine } from '../terminal.ts'

/** Planning a thousand nodes takes the collector some seconds. */
export const PLANNING_DEADLINE_MS = 60_000

type PlanOptions = RunOptions & { rackSize?: string; rounds?: boolean }

/** Asks what a run would do and prints it; nothing is sent. */
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

/** What the run would do, as the collector's planner has it for the fleet as it is. */
const planFleet = (invocation: Invocation<PlanOptions>): Promise<ExitCode> => {
  const { operands, options, read, problems } = invocation
  if (options.rackSize !== undefined)
    read.refuse('--rack-size', 'needs --count; a fleet has the racks of its inventory')
  const spec = readRunSpec(operands[0], { test: 'iperf', ...options }, read, problems)
  return withClient(invocation, (client) => printPlan(invocation, client, spec, options.rounds))
}

/** A mesh of so many nodes has 100 million pairs: more than anyone waits for. */
const MAX_COUNT = 10_000

/** The same for a fleet that does not exist, without a collector. */
const planCount = async (invocation: Invocation<PlanOptions>): Promise<ExitCode> => {
  const { terminal, operands, options, read, problems } = invocation
  const { count: countText, ...runOptions } = options
  const count = read.integer('--count', countText, 2, MAX_COUNT) ?? 2
  const rackSize = read.integer('--rack-size', options.rackSize, 1, MAX_COUNT)
  if (options.rounds) read.refuse('--rounds', 'needs a fleet, not --count')
  const spec = readRunSpec(operands[0], { test: 'iperf', ...runOptions }, read, problems)
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
    .summary('what a run would do, before a packet leaves')
    .description(
      `Says what "meshgauge run" with the same options would do: pairs, rounds and the bound that no plan can beat, the
time, the bytes. With --count it plans for a fleet that does not exist, without any collector.`,
    )
    .argument('[TOPOLOGY]', 'ring, mesh, matrix, star, shifts or pairs')
    .optionsGroup('Without a fleet:')
    .option('--count <n>', 'plan for so many nodes of one interface each, named node-1 and on')
    .option('--rack-size <n>', 'nodes in a rack (default: all in one)')
  addRunOptions(command, ' (default: iperf)')
    .optionsGroup('Output:')
    .option('--rounds', 'the pairs of each round too')
  withExamples(command, [
    ['meshgauge plan mesh --interface net1 --duration 10s', 'how long a mesh of the fleet takes'],
    ['meshgauge plan shifts --shifts 21 --json', 'a cheaper way to see every node'],
    [
      'meshgauge plan mesh --count 1000 --rack-size 8 --uplink-cap 4 --json',
      'a fleet that is yet to be bought',
    ],
  ])
  app.handle(command, 1, (invocation: Invocation<PlanOptions>) =>
    invocation.options.count === undefined ? planFleet(invocation) : planCount(invocation),
  )
}
