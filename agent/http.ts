/** Serves /metrics, /healthz and /readyz of an agent, where --http asks for it. */

import { createServer, type ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import { capHttpConnections } from '../lib/connection-cap.ts'
import { closeHttp, type HttpServer, listenOn } from '../lib/http-listener.ts'
import type { Activity } from './activity.ts'

const TEXT = 'text/plain; charset=utf-8'

type Shown = {
  activity: Activity
  /** Windows of the ping mesh that the collector has not acknowledged. */
  heldWindowCount: () => number
  version: string
  node: string
}

const send = (response: ServerResponse, status: number, body: string, type = TEXT): void => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' })
  response.end(body)
}

/** Creates the registry at the first scrape: an agent that nobody scrapes does not load the library. */
const createMetrics = async ({ activity, heldWindowCount, version, node }: Shown): Promise<Registry> => {
  const { Registry, Gauge, Counter, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  registry.setDefaultLabels({ node })
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 })
  const registers = [registry]
  new Gauge({
    name: 'meshgauge_agent_info',
    help: 'Version of the agent. Always 1.',
    labelNames: ['version'],
    registers,
  }).set({ version }, 1)
  new Counter({
    name: 'meshgauge_agent_program_starts_total',
    help: 'Programs that the agent started.',
    labelNames: ['program'],
    registers,
    collect() {
      this.reset()
      for (const [program, count] of activity.starts) this.inc({ program }, count)
    },
  })
  new Counter({
    name: 'meshgauge_agent_program_failures_total',
    help: 'Programs that failed: not_started, crashed, timed_out, flooded, or another exit_code than 0.',
    labelNames: ['program', 'kind'],
    registers,
    collect() {
      this.reset()
      for (const [program, kinds] of activity.failures)
        for (const [kind, count] of kinds) this.inc({ program, kind }, count)
    },
  })
  new Gauge({
    name: 'meshgauge_agent_programs',
    help: 'Programs of the agent that run now.',
    registers,
    collect() {
      this.set(activity.running)
    },
  })
  new Counter({
    name: 'meshgauge_agent_probes_total',
    help: 'Probes with a result, answered or lost.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset()
      for (const [result, count] of Object.entries(activity.probes)) this.inc({ result }, count)
    },
  })
  new Gauge({
    name: 'meshgauge_agent_windows_held',
    help: 'Windows of the ping mesh that the collector has not acknowledged.',
    registers,
    collect() {
      this.set(heldWindowCount())
    },
  })
  return registry
}

/**
 * Listens until it is closed.
 * @param problem why the agent accepts no tests now; empty when it does
 * @throws OperatingError SPEC_INVALID when it cannot listen
 */
export const listenAgentHttp = async (
  address: string,
  shown: Shown,
  problem: () => string,
): Promise<HttpServer> => {
  let metrics: Promise<Registry> | undefined
  const answerMetrics = async (response: ServerResponse): Promise<void> => {
    metrics ??= createMetrics(shown)
    const registry = await metrics
    send(response, 200, await registry.metrics(), registry.contentType)
  }
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').replace(/\?.*$/, '')
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return send(response, 405, 'only GET and HEAD\n')
    // The process answers: this is all that a liveness probe asks.
    if (path === '/healthz') return send(response, 200, 'ok\n')
    if (path === '/readyz') return send(response, problem() === '' ? 200 : 503, `${problem() || 'ok'}\n`)
    if (path !== '/metrics') return send(response, 404, 'see /metrics, /healthz and /readyz\n')
    return void answerMetrics(response).catch((error: Error) => send(response, 500, `${error.message}\n`))
  })
  capHttpConnections(server)
  const port = await listenOn(server, address)
  return { port, close: () => closeHttp(server) }
}
