import { z } from 'zod'
import { type CheckResult, CheckStatus, type Evidence } from '#proto/meshgauge/agent/v1/check.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState, Topology, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import type { Clock } from '../../lib/clock.ts'
import { throwIfInvalid } from '../../lib/errors.ts'
import { toTimestamp } from '../../lib/protobuf-time.ts'
import { formatBitrate, parseBitrate, parseDuration } from '../../lib/units.ts'
import type { Verdict } from '../diagnosis/verdict.ts'
import type { PairResult } from '../dispatch/pair-result.ts'
import type { FleetNode } from '../inventory/node.ts'
import { createIperfTest, createRunSpec } from '../plan/effective-run-spec.ts'
import type { RunSpec } from '../plan/run-spec.ts'
import type { Runs } from '../runs/runs.ts'
import type { Run } from '../store/run.ts'

/** With at most this number of nodes, every pair is measured. In larger fleets each node is measured to 7 random others. */
const MESH_NODES = 8

const quantity = (parse: (text: string) => number | undefined, example: string) =>
  z
    .string()
    .refine((text) => parse(text) !== undefined, `must be a quantity such as ${example}`)
    .transform((text) => parse(text)!)

const schema = z.strictObject({
  duration: quantity(parseDuration, '5s').default(5),
  interfaces: z.array(z.string()).default([]),
  /** Minimum throughput of each pair, in bits per second. */
  min: quantity(parseBitrate, '9G').optional(),
})

type Parameters = z.output<typeof schema>

const read = (given: Record<string, unknown>): Parameters => {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  const violations = parsed.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => ({ field: `parameters.${key}`, description: 'is not a parameter of iperf' }))
      : [{ field: ['parameters', ...issue.path].join('.'), description: issue.message }],
  )
  throwIfInvalid('the check request', violations)
  throw parsed.error
}

const specOf = (nodes: readonly FleetNode[], { duration, interfaces }: Parameters): RunSpec =>
  createRunSpec({
    label: 'check iperf',
    topology: Topology.fromPartial({
      kind: nodes.length <= MESH_NODES ? TopologyKind.TOPOLOGY_KIND_MESH : TopologyKind.TOPOLOGY_KIND_SHIFTS,
      nodes: nodes.map(({ name }) => name),
    }),
    test: createIperfTest({ durationSeconds: duration }),
    interfaces: [...interfaces],
  })

const blames = ({ node, peer, nodes }: Verdict, name: string): boolean =>
  node === name || peer === name || nodes.includes(name)

/** The lowest throughput in one direction of one interface of a node. */
const evidenceOf = (
  subject: string,
  name: string,
  results: readonly PairResult[],
  min: number | undefined,
): Evidence => {
  const values = results.flatMap(({ outcome, values: of }) =>
    outcome === Outcome.OUTCOME_MEASURED && of?.kind === 'iperf' ? [of.bitsPerSecond ?? 0] : [],
  )
  const slowest = values.length > 0 ? Math.min(...values) : null
  const low = slowest !== null && min !== undefined && slowest < min
  const status = low ? CheckStatus.CHECK_STATUS_FAIL : CheckStatus.CHECK_STATUS_PASS
  return { subject, name, value: slowest, unit: 'bits_per_second', status, fatal: false }
}

const resultOf = (
  node: string,
  run: Run,
  results: readonly PairResult[],
  parameters: Parameters,
): CheckResult => {
  const own = results.filter(({ source, destination }) => source.node === node || destination.node === node)
  const names = [...new Set(own.map(({ source }) => source.interface))].sort()
  const evidence = names.flatMap((name) => {
    const there = own.filter(({ source }) => source.interface === name)
    const sent = there.filter(({ source }) => source.node === node)
    const received = there.filter(({ destination }) => destination.node === node)
    return [
      evidenceOf(name, 'slowest_sent', sent, parameters.min),
      evidenceOf(name, 'slowest_received', received, parameters.min),
    ]
  })
  // Marked pairs without a culprit are no reason against this node alone, but none to pass it either.
  const isMarked = own.some((result) => result.isMarked)
  const verdicts = run.verdicts.filter(
    (verdict) => blames(verdict, node) || (verdict.kind === 'unattributed' && isMarked),
  )
  const low = evidence
    .filter(({ status }) => status === CheckStatus.CHECK_STATUS_FAIL)
    .map(({ subject, name, value }) => {
      const what = name === 'slowest_sent' ? 'sends' : 'receives'
      if (value === null) return `${subject} ${what} nothing: no pair was measured`
      const floor = parameters.min === undefined ? '' : ` where ${formatBitrate(parameters.min)} is expected`
      return `${subject} ${what} ${formatBitrate(Number(value))} at worst${floor}`
    })
  const lost = own.filter(
    ({ outcome }) => outcome === Outcome.OUTCOME_NOT_RUN || outcome === Outcome.OUTCOME_INVALID,
  )
  const measured = own.some(({ outcome }) => outcome === Outcome.OUTCOME_MEASURED)
  const failed = verdicts.length > 0 || low.length > 0
  const incomplete = !measured || lost.length > 0 || run.state !== RunState.RUN_STATE_COMPLETED
  return {
    check: 'iperf',
    status: failed
      ? CheckStatus.CHECK_STATUS_FAIL
      : incomplete
        ? CheckStatus.CHECK_STATUS_ERROR
        : CheckStatus.CHECK_STATUS_PASS,
    reasons: failed
      ? [...verdicts.map(({ message }) => message), ...(verdicts.length > 0 ? [] : low)]
      : incomplete
        ? [lost[0]?.reason || run.stateReason || 'no pair of the node was measured']
        : [],
    evidence,
    rawOutput: `run ${run.id}`,
    startTime: run.startTime,
    duration: undefined,
  }
}

/**
 * The check `iperf`. Throughput needs two nodes, so the collector creates a run among the given nodes and reports the
 * results of each node. It loads the network, so it runs only when requested by name, never with `all`.
 * @throws OperatingError SPEC_INVALID for unknown parameters or nodes that cannot be paired
 */
export const createThroughputCheck = (deps: {
  clock: Clock
  runs: Pick<Runs, 'create' | 'watch' | 'cancel'>
  results(run: string): PairResult[]
}) =>
  async function* (
    nodes: readonly FleetNode[],
    given: Record<string, unknown>,
    signal: AbortSignal,
  ): AsyncGenerator<{ node: string; result: CheckResult }> {
    const parameters = read(given)
    const run = await deps.runs.create(specOf(nodes, parameters))
    let ended = run
    try {
      for await (const step of deps.runs.watch(run.id, signal)) ended = step.run
    } catch (error) {
      if (signal.aborted) deps.runs.cancel(run.id)
      throw error
    }
    const results = deps.results(run.id)
    const now = toTimestamp(deps.clock.now())
    for (const { name } of nodes) {
      const result = resultOf(name, ended, results, parameters)
      yield { node: name, result: { ...result, startTime: result.startTime ?? now } }
    }
  }
