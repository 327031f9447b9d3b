import { pino } from 'pino'
import { afterAll, afterEach, expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import type { HttpServer } from '../lib/http-listener.ts'
import { countProcesses, createActivity } from './activity.ts'
import { listenAgentHttp } from './http.ts'
import { createProcesses } from './processes.ts'

const bare = createProcesses(
  { logger: pino({ level: 'silent' }), clock: systemClock },
  { graceSeconds: 0.05 },
)
const open: HttpServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})
afterAll(() => bare.close())

const start = async (problem = '') => {
  const activity = createActivity()
  const shown = { activity, heldWindowCount: () => 7, version: '1.2.3', node: 'gpu-01' }
  const server = await listenAgentHttp('127.0.0.1:0', shown, () => problem)
  open.push(server)
  const get = async (path: string, method = 'GET') => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method })
    return { status: response.status, text: await response.text() }
  }
  return { activity, get }
}

test('is alive, and ready unless the agent shuts down', async () => {
  const { get } = await start()
  expect([await get('/healthz'), await get('/readyz?x')]).toEqual([
    { status: 200, text: 'ok\n' },
    { status: 200, text: 'ok\n' },
  ])
  const draining = await start('this agent is shutting down')
  expect(await draining.get('/readyz')).toEqual({ status: 503, text: 'this agent is shutting down\n' })
  expect((await draining.get('/healthz')).status).toBe(200)
  expect([(await get('/other')).status, (await get('/metrics', 'POST')).status]).toEqual([404, 405])
})

test('counts programs, how they end, probes and windows', async () => {
  const { activity, get } = await start()
  const processes = countProcesses(bare, activity)
  const options = { signal: new AbortController().signal, deadlineSeconds: 0.3 }
  await processes.run('true', [], options)
  await processes.run('false', [], options)
  await processes.run('/nonexistent/iperf3', [], options)
  await processes.run('sleep', ['5'], options)
  await processes.run('sh', ['-c', 'kill -SEGV $$'], options)
  const running = await processes.start('sleep', ['5'], { ...options, deadlineSeconds: 5 })
  activity.probes.answered = 3
  const { text } = await get('/metrics')
  await running.end()
  for (const line of [
    'meshgauge_agent_info{version="1.2.3",node="gpu-01"} 1',
    'meshgauge_agent_program_starts_total{program="sleep",node="gpu-01"} 2',
    'meshgauge_agent_program_failures_total{program="false",kind="exit_code",node="gpu-01"} 1',
    'meshgauge_agent_program_failures_total{program="iperf3",kind="not_started",node="gpu-01"} 1',
    'meshgauge_agent_program_failures_total{program="sleep",kind="timed_out",node="gpu-01"} 1',
    'meshgauge_agent_program_failures_total{program="sh",kind="crashed",node="gpu-01"} 1',
    'meshgauge_agent_programs{node="gpu-01"} 1',
    'meshgauge_agent_probes_total{result="answered",node="gpu-01"} 3',
    'meshgauge_agent_windows_held{node="gpu-01"} 7',
  ])
    expect(text).toContain(`${line}\n`)
  expect(text).toMatch(/^process_resident_memory_bytes\{node="gpu-01"\} \d+/m)
  expect((await get('/metrics')).text).toContain('meshgauge_agent_programs{node="gpu-01"} 0\n')
})
