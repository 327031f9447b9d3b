import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { isAbortError } from 'abort-controller-x'
import { capHttpConnections } from '../../lib/connection-cap.ts'
import { OperatingError } from '../../lib/errors.ts'
import { closeHttp, type HttpServer, listenOn } from '../../lib/http-listener.ts'
import { createQuery, QueryError } from './query.ts'
import type { GatewayDeps } from './request.ts'
import { ROUTES } from './routes.ts'

/** Requests that are processed at once; each may run checks on every node. Further requests get status 503. */
const MAX_ACTIVE_REQUESTS = 64
/** Bounds the connections of a flood of requests that get 503; a quarter of them for one peer. */
const CONNECTIONS = { max: 1024, maxPerPeer: 256 }

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

/** Replaces control characters except newlines: texts from other machines must not control the terminal of a user. */
const withoutControlCharacters = (text: string): string => text.replace(/[^\P{Cc}\n]+/gu, ' ')

const refuse = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, TEXT)
  response.end(withoutControlCharacters(text))
}

/** The URL at which the client reached the gateway. The Host header comes from the client, so its characters are checked. */
const baseUrlOf = ({ headers, socket }: IncomingMessage): string => {
  const host = headers.host ?? ''
  if (/^[\w.:[\]-]{1,255}$/.test(host)) return `http://${host}`
  const address = socket.localAddress ?? '127.0.0.1'
  return `http://${isIPv6(address) ? `[${address}]` : address}:${socket.localPort}`
}

/** Whether a browser sent the request for a page of another site, without the intention of an operator. */
const isCrossSite = ({ headers }: IncomingMessage): boolean =>
  headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site'

const write = async (response: ServerResponse, text: string, signal: AbortSignal): Promise<void> => {
  if (!response.write(withoutControlCharacters(text))) await once(response, 'drain', { signal })
}

const answer = async (
  deps: GatewayDeps,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://gateway')
  const route = ROUTES.get(pathname)
  if (!route) return refuse(response, 404, '404 page not found\n')
  const disconnected = new AbortController()
  response.once('close', () => disconnected.abort())
  const signal = AbortSignal.any([closing, disconnected.signal])
  await deps.fleet.settled
  const texts = route(deps, { query: createQuery(searchParams), base: baseUrlOf(request), signal })
  response.writeHead(200, TEXT)
  try {
    for await (const text of texts) await write(response, text, signal)
  } catch (error) {
    if (signal.aborted || isAbortError(error)) return
    if (!(error instanceof OperatingError))
      deps.logger.error({ err: error, path: pathname }, 'the Autopilot gateway failed because of a bug')
    const reason =
      error instanceof OperatingError ? error.message : "internal error; the collector's log has the details"
    await write(response, `\n${reason}. ABORT\n`, signal)
  } finally {
    response.end()
  }
}

const handle = async (
  deps: GatewayDeps,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> => {
  try {
    await answer(deps, request, response, closing)
  } catch (error) {
    if (error instanceof QueryError) return refuse(response, 400, error.message)
    if (!closing.aborted) deps.logger.error({ err: error }, 'the Autopilot gateway could not reply')
    response.destroy()
  }
}

/**
 * Serves the endpoints of IBM Autopilot until it is closed.
 * @throws OperatingError when it cannot listen on the address
 */
export const listenAutopilot = async (given: Omit<GatewayDeps, 'inBackground'>): Promise<HttpServer> => {
  const closing = new AbortController()
  const background = new Set<Promise<void>>()
  let activeCount = 0
  const inBackground: GatewayDeps['inBackground'] = (work) => {
    const done = work(closing.signal).catch((error: unknown) => {
      if (!closing.signal.aborted) given.logger.error({ err: error }, 'an invasive check failed')
    })
    background.add(done)
    void done.then(() => background.delete(done))
  }
  const deps = { ...given, inBackground }
  const server = createServer((request, response) => {
    if (isCrossSite(request)) return refuse(response, 403, 'requests for pages of other sites are refused\n')
    if (request.method !== 'GET' && request.method !== 'POST')
      return refuse(response, 405, 'only GET and POST are supported\n')
    // Autopilot has a separate port for this. It must reply even when all requests are in use.
    if (/^\/readinessprobe(\?|$)/.test(request.url ?? '')) {
      response.writeHead(201, { 'content-type': 'application/json' })
      return response.end('{"Name":"readinessProbe","Body":"ready"}\n')
    }
    if (activeCount >= MAX_ACTIVE_REQUESTS)
      return refuse(response, 503, `${MAX_ACTIVE_REQUESTS} requests are active; try again later. ABORT\n`)
    activeCount++
    return handle(deps, request, response, closing.signal).finally(() => {
      activeCount--
    })
  })
  capHttpConnections(server, CONNECTIONS)
  const { port, address } = given.options
  const bound = await listenOn(server, `${isIPv6(address) ? `[${address}]` : address}:${port}`)
  return {
    port: bound,
    close: async () => {
      closing.abort()
      await Promise.all([closeHttp(server), ...background])
    },
  }
}
