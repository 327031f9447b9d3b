import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Registry } from 'prom-client'
import { capHttpConnections } from '../../../lib/connection-cap.ts'
import { closeHttp, type HttpServer, listenOn } from '../../../lib/http-listener.ts'
import { CONTENT_TYPES, formatOf, renderMetrics } from './exposition.ts'

type Answer = { status: number; type: string; body: string | Buffer; headers?: Record<string, string> }

const TEXT = 'text/plain; charset=utf-8'
const INDEX = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>meshgauge collector</title></head>
<body><h1>meshgauge collector</h1>
<ul><li><a href="/metrics">/metrics</a>: for Prometheus</li>
<li><a href="/healthz">/healthz</a>: 200 if the collector is healthy, otherwise 503 with the reasons</li></ul></body></html>
`

const compress = promisify(gzip)

/**
 * Serves /metrics, /healthz and an index page until the signal aborts.
 * @throws OperatingError SPEC_INVALID when the address cannot be listened on
 */
export const listenHttp = async (
  options: {
    registry: Registry
    /** Returns the current problems of the collector, one line each; empty when it is healthy. */
    health: () => readonly string[]
    address: string
  },
  signal?: AbortSignal,
): Promise<HttpServer> => {
  const server = createServer((request, response) => {
    answer(options, request)
      .catch((error: Error) => ({ status: 500, type: TEXT, body: `${error.message}\n` }))
      .then((result) => send(request, response, result))
      .catch((error: Error) => response.destroy(error))
  })
  capHttpConnections(server)
  const port = await listenOn(server, options.address)
  const close = () => closeHttp(server)
  if (signal?.aborted) await close()
  signal?.addEventListener('abort', close, { once: true })
  return { port, close }
}

const answer = async (
  { registry, health }: { registry: Registry; health: () => readonly string[] },
  { method, url, headers }: IncomingMessage,
): Promise<Answer> => {
  const path = (url ?? '/').replace(/\?.*$/, '')
  const known = ['/', '/metrics', '/healthz'].includes(path)
  if (!known) return { status: 404, type: TEXT, body: `there is no ${path}; see /\n` }
  if (method !== 'GET' && method !== 'HEAD') {
    return { status: 405, type: TEXT, body: 'only GET and HEAD\n', headers: { allow: 'GET, HEAD' } }
  }
  if (path === '/metrics') {
    const format = formatOf(headers.accept)
    const body = await renderMetrics(registry, format)
    return { status: 200, type: CONTENT_TYPES[format], body, headers: { vary: 'accept' } }
  }
  if (path === '/') return { status: 200, type: 'text/html; charset=utf-8', body: INDEX }
  const problems = health()
  if (problems.length === 0) return { status: 200, type: TEXT, body: 'ok\n' }
  return { status: 503, type: TEXT, body: `${problems.join('\n')}\n` }
}

const send = async (request: IncomingMessage, response: ServerResponse, result: Answer): Promise<void> => {
  const plain = typeof result.body === 'string' ? Buffer.from(result.body) : result.body
  const small = plain.length < 1024
  const zipped = !small && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))
  const body = zipped ? await compress(plain) : plain
  response.writeHead(result.status, {
    'content-type': result.type,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
    ...result.headers,
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
