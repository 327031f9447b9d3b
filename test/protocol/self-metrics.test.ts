import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openIndependentClient } from '../testing/independent-client.ts'
import { type FakeAgentFleet, iperfMesh, pingMesh, startFakeAgentFleet } from './fake-agent-fleet.ts'
import { healthyNetwork } from './fake-agents.ts'

let fleet: FakeAgentFleet

beforeAll(async () => {
  fleet = await startFakeAgentFleet(4, healthyNetwork, { testSeconds: 0.2 })
})
afterAll(() => fleet.close())

/** The value of one series, written as /metrics writes it; undefined when it is not there. */
const value = async (series: string): Promise<number | undefined> => {
  const { text } = await fleet.metrics()
  const line = text.split('\n').find((one) => one.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.split(' ')[1])
}

test('calls are counted by method and code, and open calls by method', async () => {
  const release = fleet.hold()
  const running = fleet.run(iperfMesh)
  const open = 'meshgauge_grpc_client_open{method="meshgauge.agent.v1.IperfService/Run"}'
  await expect.poll(() => value(open)).toBeGreaterThan(0)
  release()
  await running
  // A call is counted when it is over at both ends.
  await expect.poll(() => value(open)).toBe(0)
  const run = (code: string) =>
    value(`meshgauge_grpc_client_calls_total{method="meshgauge.agent.v1.IperfService/Run",code="${code}"}`)
  await expect.poll(() => run('ok')).toBe(12)
  const served = (call: string) =>
    value(`meshgauge_grpc_server_calls_total{method="meshgauge.collector.v1.RunService/${call}"}`)
  await expect.poll(() => served('WatchRun",code="ok')).toBe(1)

  const client = openIndependentClient(fleet.port)
  await expect(
    client.call('meshgauge.collector.v1.RunService', 'GetRun', { id: 'ffffffff' }),
  ).rejects.toThrow()
  client.close()
  await expect.poll(() => served('GetRun",code="not_found')).toBe(1)
})

test('runs that wait for an interface, results that are not stored, and connections are shown', async () => {
  const release = fleet.hold()
  const both = [fleet.run(iperfMesh), fleet.run(iperfMesh)]
  await expect.poll(() => value('meshgauge_runs_queued')).toBe(1)
  release()
  // Results wait for half a second at most: there are new ones until that was seen.
  let isSeen = false
  const more = (async () => {
    while (!isSeen) await fleet.run(iperfMesh)
  })()
  await expect
    .poll(() => value('meshgauge_results_waiting'))
    .toBeGreaterThan(0)
    .finally(() => {
      isSeen = true
    })
  await Promise.all([...both, more])
  await expect.poll(() => value('meshgauge_runs_queued')).toBe(0)
  await expect.poll(() => value('meshgauge_results_waiting')).toBe(0)
  await expect.poll(() => value('meshgauge_agent_connections{state="ready"}')).toBe(4)
})

test('the process itself is shown under its usual names', async () => {
  await sleep(10)
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'process_open_fds'])
    expect(await value(name), name).toBeGreaterThan(0)
  expect(await value('nodejs_heap_size_used_bytes')).toBeGreaterThan(0)
})

test('a scraper that can read exemplars gets the trace of the run', async () => {
  const run = await fleet.run(pingMesh(3))
  const scrape = () => fleet.metrics('application/openmetrics-text;version=1.0.0,text/plain;q=0.5')
  expect((await scrape()).type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  const withTrace = async () => {
    const { text } = await scrape()
    const lines = text.split('\n').filter((line) => line.includes(` # {trace_id="${run.traceId}"} `))
    return [...new Set(lines.map((line) => /^\w+/.exec(line)![0]))].sort()
  }
  await expect
    .poll(withTrace)
    .toEqual([
      'meshgauge_dispatch_lag_seconds_bucket',
      'meshgauge_pairs_total',
      'meshgauge_run_duration_seconds_bucket',
      'meshgauge_runs_total',
    ])
})
