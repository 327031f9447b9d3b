/**
 * Storms: the mesh of 1,000 agents starts, all of them reconnect at once, and 500 runs are created in one second. The API and
 * /metrics must answer meanwhile, and the state must be steady again within a minute. `storm.bench.ts [AGENTS]`
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { LOST_PEER_SECONDS } from '../../lib/serving.ts'
import { quantileOf } from '../../lib/statistics.ts'
import { openIndependentClient } from '../testing/independent-client.ts'
import { expectAtLeast, expectAtMost } from './figures.ts'
import { scrape, startMeshFleet } from './mesh-fleet.ts'

const AGENTS = Number(process.argv[2] ?? 1000)
const RUNS = 500
/** Longest time of 99 % of the answers, and until the state is steady. */
const ANSWER_SECONDS = 2
const STEADY_SECONDS = 60
const ASK_SECONDS = 0.25
/** At any time, a sixth of the nodes has new peers without windows yet. */
const PATHS = 0.7 * AGENTS * 21
const FLEET_SERVICE = 'meshgauge.collector.v1.FleetService'
const RUN_SERVICE = 'meshgauge.collector.v1.RunService'

const secondsSince = (start: number) => (performance.now() - start) / 1000

const fleet = await startMeshFleet(AGENTS, 10)
const client = openIndependentClient(fleet.grpc)

/** Asks the API and /metrics again and again until the state is steady; prints how long both took. */
const observe = async (what: string, isSteady: (metrics: Map<string, number>) => boolean) => {
  const begin = performance.now()
  const answers: number[] = []
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const start = performance.now()
    const result = await work
    answers.push(secondsSince(start))
    return result
  }
  for (let steady = false; !steady && secondsSince(begin) < 2 * STEADY_SECONDS; ) {
    const [metrics] = await Promise.all([
      timed(scrape(fleet.http)),
      timed(client.call(FLEET_SERVICE, 'ListNodes', { pageSize: 10 })),
    ])
    steady = isSteady(metrics)
    await sleep(1000 * ASK_SECONDS)
  }
  expectAtMost(`${what}: until the state is steady`, secondsSince(begin), STEADY_SECONDS, ' s')
  expectAtMost(
    `${what}: answers (99 % of ${answers.length})`,
    quantileOf(answers, 0.99)!,
    ANSWER_SECONDS,
    ' s',
  )
}

const upPaths = (metrics: Map<string, number>) => metrics.get('meshgauge_mesh_paths{state="up"}') ?? 0

try {
  await observe(`mesh of ${AGENTS} agents starts`, (metrics) => upPaths(metrics) >= PATHS)

  for (const pid of fleet.agentPids) process.kill(pid, 'SIGSTOP')
  await sleep(1000 * (LOST_PEER_SECONDS + 10))
  const lost = upPaths(await scrape(fleet.http))
  console.log(`${lost} of ${PATHS.toFixed(0)} paths are up while the agents are stopped`)
  for (const pid of fleet.agentPids) process.kill(pid, 'SIGCONT')
  await observe(`${AGENTS} agents reconnect`, (metrics) => upPaths(metrics) >= PATHS)

  const spec = { topology: { kind: 'TOPOLOGY_KIND_MESH', nodes: ['b0', 'b1'] }, ping: { count: 1 } }
  const begin = performance.now()
  let isCreated = false
  const created = Array.from({ length: RUNS }, async (_, index) => {
    await sleep((1000 * index) / RUNS)
    const start = performance.now()
    const outcome = await client.call(RUN_SERVICE, 'CreateRun', { spec }).then(
      () => 'created',
      ({ details }: { details: string }) => (/max_active_runs/.test(details) ? 'refused' : details),
    )
    return { outcome, seconds: secondsSince(start) }
  })
  void Promise.all(created).then(() => {
    isCreated = true
  })
  await observe(
    `${RUNS} runs in a second`,
    (metrics) => isCreated && (metrics.get('meshgauge_runs_active') ?? 0) === 0,
  )
  const answers = await Promise.all(created)
  const counts = Object.entries(Object.groupBy(answers, ({ outcome }) => outcome))
  console.log(
    `${counts.map(([outcome, all]) => `${all?.length} ${outcome}`).join(', ')} after ${secondsSince(begin).toFixed(1)} s`,
  )
  expectAtMost(
    'CreateRun, 99 %',
    quantileOf(
      answers.map(({ seconds }) => seconds),
      0.99,
    )!,
    ANSWER_SECONDS,
    ' s',
  )
  expectAtLeast(
    'share that is created or refused by its limit',
    answers.filter(({ outcome }) => ['created', 'refused'].includes(outcome)).length / RUNS,
    1,
  )
} finally {
  for (const pid of fleet.agentPids) process.kill(pid, 'SIGCONT')
  client.close()
  await fleet.close()
}
