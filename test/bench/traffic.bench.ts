/**
 * Sustained traffic between all pairs of a lab at the same time, on two interfaces, with one iperf3 server and client per
 * flow. 8 hosts by default. TRAFFIC_HOSTS=49 (4,704 flows, 9,408 iperf3 processes) needs an idle machine with 16 GiB.
 */

import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { recordedProcesses } from '../../deploy/local/processes.ts'
import { startTestFleet, type TestFleet } from '../testing/test-fleet.ts'
import { costOf, expectAtLeast, expectAtMost, median } from './figures.ts'

const HOSTS = Number(process.env.TRAFFIC_HOSTS ?? 8)
/** Rate of each flow in bit/s. Low, because the load is the number of flows. */
const RATE = process.env.TRAFFIC_RATE ?? '20k'
/** Time between two samples of a flow. */
const INTERVAL_SECONDS = Number(process.env.TRAFFIC_INTERVAL ?? (HOSTS > 24 ? 10 : 5))
const STEADY_SECONDS = Number(process.env.TRAFFIC_SECONDS ?? 30)
const FLOWS = HOSTS * (HOSTS - 1) * 2

type Traffic = {
  state: string
  moving: number
  flows: number
  restarts: number
  askedBitsPerSecond: number
  receivedBitsPerSecond: number
  problems: string[]
}

const secondsSince = (start: number) => (performance.now() - start) / 1000

const iperfsOf = (fleet: TestFleet) => fleet.programsInside(/^\S*iperf3\b/)

/** Proportional set size of a process in MiB: memory that processes share is divided among them. */
const proportionalMebibytes = (pid: number): number => {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+)/m.exec(text)?.[1] ?? 0) / 1024
}

const status = async (fleet: TestFleet): Promise<Traffic> =>
  JSON.parse((await fleet.meshgauge('traffic', 'status', '--json')).stdout).traffic

const measure = async (fleet: TestFleet) => {
  const wait = ['--wait', '10m', '--interval', `${INTERVAL_SECONDS}s`]
  const asked = performance.now()
  const { stdout, stderr } = await fleet.meshgauge(
    ...['traffic', 'start', 'mesh', '--interface', 'net0,net1', '--bitrate', RATE, ...wait],
  )
  console.log(stderr.split('\n').slice(-6).join('\n'))
  console.log(stdout)
  console.log(`time until all flows were seen moving: ${secondsSince(asked).toFixed(1)} s`)
  // Wait until all flows are steady, so that restarts during the start are not counted.
  await sleep(2 * INTERVAL_SECONDS * 1000)

  const before = await status(fleet)
  const agents = (await recordedProcesses(fleet.lab.stateDir)).filter(({ name }) => name.startsWith('agent-'))
  const [collector, ...costs] = await Promise.all([
    costOf(await fleet.pidOf('collector'), STEADY_SECONDS),
    ...agents.map(({ identity }) => costOf(identity.pid, STEADY_SECONDS)),
  ])
  const after = await status(fleet)
  const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0)
  const sample = iperfsOf(fleet).slice(0, 50)
  console.log(`iperf3 processes: ${iperfsOf(fleet).length}`)
  console.log(
    `steady: ${after.moving} of ${after.flows} moving, ${(after.receivedBitsPerSecond / 1e6).toFixed(1)} of ${(after.askedBitsPerSecond / 1e6).toFixed(1)} Mbit/s, ${after.restarts - before.restarts} restarts in ${STEADY_SECONDS} s, ${before.restarts} before`,
  )
  console.log(after.problems.slice(0, 5).join('\n'))
  console.log(
    `collector: ${collector!.residentMebibytes.toFixed(0)} MiB; an agent: ${(100 * median(costs.map(({ cpuRatio }) => cpuRatio))).toFixed(2)} % of a core and ${median(costs.map(({ residentMebibytes }) => residentMebibytes)).toFixed(0)} MiB (median); all agents ${sum(costs.map(({ cpuRatio }) => cpuRatio)).toFixed(2)} cores, all programs ${sum(costs.map(({ childrenCpuRatio }) => childrenCpuRatio)).toFixed(2)} cores, one program ${median(sample.map(({ pid }) => proportionalMebibytes(pid))).toFixed(2)} MiB`,
  )
  expectAtMost('collector, share of a core in steady state', collector!.cpuRatio, 0.05)
  expectAtLeast('share of flows that move', after.moving / FLOWS, 1)
}

console.log(`${HOSTS} hosts, ${FLOWS} flows of ${RATE}bit/s, a sample each ${INTERVAL_SECONDS} s`)
const fleet = await startTestFleet({ nodes: HOSTS })
try {
  await measure(fleet)
  const asked = performance.now()
  const { stdout } = await fleet.meshgauge('traffic', 'stop')
  console.log(`${stdout} (${secondsSince(asked).toFixed(1)} s)`)
  expectAtMost('processes left after stop', iperfsOf(fleet).length, 0)
} finally {
  fleet.client.close()
  await fleet.close()
}
