/**
 * Sustained traffic between all pairs of a lab at the same time, on two interfaces, with one iperf3 server and client per
 * flow. 8 hosts by default. TRAFFIC_HOSTS=49 (4,704 flows, 9,408 iperf3 processes) needs an idle machine with 16 GiB.
 * TRAFFIC_CORES=0.5 limits all agents with their programs to half a core together: the system must converge all the same.
 */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordedProcesses } from '../../deploy/local/processes.ts'
import { quantileOf } from '../../lib/statistics.ts'
import { type CpuQuota, limitCpu } from '../testing/cpu-quota.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'
import { costOf, expectAtLeast, expectAtMost, median } from './figures.ts'

const HOSTS = Number(process.env.TRAFFIC_HOSTS ?? 8)
/** Rate of each flow in bit/s. Low, because the load is the number of flows. */
const RATE = process.env.TRAFFIC_RATE ?? '20k'
/** CPU time of all agents and their programs together, in cores. Unlimited by default. */
const CORES = Number(process.env.TRAFFIC_CORES ?? 0)
/** Time between two samples of a flow. Each sample costs an agent about half a millisecond. */
const INTERVAL_SECONDS = Number(process.env.TRAFFIC_INTERVAL ?? (CORES > 0 ? 60 : HOSTS > 24 ? 10 : 5))
const STEADY_SECONDS = Number(process.env.TRAFFIC_SECONDS ?? 30)
/** Time until all flows move: for 4,704 flows on 2 cores, and on half a core. */
const GOAL_SECONDS = CORES > 0 ? 900 : 180
/** Longest time of 99 % of the API calls and scrapes. */
const ANSWER_SECONDS = 2
const POLL_SECONDS = 2
const TRAFFIC_SERVICE = 'meshgauge.collector.v1.TrafficService'
const FLOWS = HOSTS * (HOSTS - 1) * 2

type Traffic = {
  movingCount?: number
  restartCount?: number
  receivedBitsPerSecond?: number
  askedBitsPerSecond?: number
  problems?: string[]
}

const secondsSince = (start: number) => (performance.now() - start) / 1000

const iperfsOf = (fleet: TestFleet) => fleet.programsInside(/^\S*iperf3\b/)

/** Proportional set size of a process in MiB: memory that processes share is divided among them. */
const proportionalMebibytes = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024
}

/** The only traffic. */
const trafficOf = async (fleet: TestFleet): Promise<Traffic> => {
  const request = { trafficId: 'latest' }
  return (await fleet.client.call<{ traffic: Traffic }>(TRAFFIC_SERVICE, 'GetTraffic', request)).traffic
}

const timed = async <T>(work: () => Promise<T>): Promise<{ result: T; seconds: number }> => {
  const start = performance.now()
  const result = await work()
  return { result, seconds: secondsSince(start) }
}

/** Prints how the number of moving flows grows, until all move, and how long the collector takes to answer meanwhile. */
const followStart = async (fleet: TestFleet, asked: number) => {
  const answers: number[] = []
  let lastMoving = -1
  while (lastMoving < FLOWS && secondsSince(asked) < 2 * GOAL_SECONDS) {
    await sleep(POLL_SECONDS * 1000)
    const call = await timed(() => trafficOf(fleet))
    const scrape = await timed(async () => (await fetch(`http://${fleet.http}/metrics`)).text())
    answers.push(call.seconds, scrape.seconds)
    const { movingCount: moving = 0, restartCount: restarts = 0 } = call.result
    if (moving !== lastMoving)
      console.log(`${secondsSince(asked).toFixed(0)} s: ${moving} of ${FLOWS} moving, ${restarts} restarts`)
    lastMoving = moving
  }
  expectAtMost('time until all flows move', secondsSince(asked), GOAL_SECONDS, ' s')
  const slow = quantileOf(answers, 0.99)!
  expectAtMost('answer of the API or of a scrape, 99 %', slow, ANSWER_SECONDS, ' s')
}

const measure = async (fleet: TestFleet) => {
  const asked = performance.now()
  await fleet.meshgauge(
    ...['traffic', 'start', 'mesh', '--detach', '--interface', 'net0,net1', '--bitrate', RATE],
    ...['--interval', `${INTERVAL_SECONDS}s`],
  )
  await followStart(fleet, asked)
  // Wait until all flows are steady, so that restarts during the start are not counted.
  await sleep(2 * INTERVAL_SECONDS * 1000)

  const before = await trafficOf(fleet)
  const agents = (await recordedProcesses(fleet.lab.stateDir)).filter(({ name }) => name.startsWith('agent-'))
  const [collector, ...costs] = await Promise.all([
    costOf(await fleet.pidOf('collector'), STEADY_SECONDS),
    ...agents.map(({ identity }) => costOf(identity.pid, STEADY_SECONDS)),
  ])
  const after = await trafficOf(fleet)
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0)
  const sample = iperfsOf(fleet).slice(0, 50)
  console.log(`iperf3 processes: ${iperfsOf(fleet).length}`)
  console.log(
    `steady: ${after.movingCount} of ${FLOWS} moving, ${((after.receivedBitsPerSecond ?? 0) / 1e6).toFixed(1)} of ${((after.askedBitsPerSecond ?? 0) / 1e6).toFixed(1)} Mbit/s, ${(after.restartCount ?? 0) - (before.restartCount ?? 0)} restarts in ${STEADY_SECONDS} s, ${before.restartCount ?? 0} before`,
  )
  console.log((after.problems ?? []).slice(0, 5).join('\n'))
  console.log(
    `collector: ${collector!.residentMebibytes.toFixed(0)} MiB; an agent: ${(100 * median(costs.map(({ cpuRatio }) => cpuRatio))).toFixed(2)} % of a core and ${median(costs.map(({ residentMebibytes }) => residentMebibytes)).toFixed(0)} MiB (median); all agents ${sum(costs.map(({ cpuRatio }) => cpuRatio)).toFixed(2)} cores, all programs ${sum(costs.map(({ childrenCpuRatio }) => childrenCpuRatio)).toFixed(2)} cores, one program ${median(sample.map(({ pid }) => proportionalMebibytes(pid))).toFixed(2)} MiB`,
  )
  expectAtMost('collector, share of a core in steady state', collector!.cpuRatio, 0.05)
  expectAtLeast('share of flows that move', (after.movingCount ?? 0) / FLOWS, 1)
}

console.log(`${HOSTS} hosts, ${FLOWS} flows of ${RATE}bit/s, a sample each ${INTERVAL_SECONDS} s`)
const fleet = await startTestFleet({ nodes: HOSTS })
let quota: CpuQuota | undefined
try {
  if (CORES > 0) {
    const agents = (await recordedProcesses(fleet.lab.stateDir)).filter(({ name }) =>
      name.startsWith('agent-'),
    )
    quota = limitCpu(
      agents.map(({ identity }) => identity.pid),
      CORES,
    )
  }
  await measure(fleet)
  if (quota) console.log(`throttled in ${(100 * quota.throttledRatio()).toFixed(0)} % of the periods`)
  const asked = performance.now()
  const { stdout } = await fleet.meshgauge('traffic', 'stop')
  console.log(`${stdout} (${secondsSince(asked).toFixed(1)} s)`)
  expectAtMost('processes left after stop', iperfsOf(fleet).length, 0)
} finally {
  await quota?.remove()
  fleet.client.close()
  await fleet.close()
}
