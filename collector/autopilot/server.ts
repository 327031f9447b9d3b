import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { isIPv6 } from 'node:net'
import { isAbortError } from 'abort-controller-x'
import { OperatingError } from '../../lib/errors.ts'
import { closeHttp, type HttpServer, listenOn } from '../telemetry/expose/http-listener.ts'
import { ROUTES } from './gateway.ts'
import { createQuery, QueryError } from './query.ts'
import type { GatewayDeps } from './request.ts'

/** Answers under way; each may hold checks on every node. More are told to come back. */
const MAX_ANSWERS = 64
/** What a flood may hold open while it is told so. */
const MAX_CONNECTIONS = 1024

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

/** What comes from other machines must not steer a terminal. */
/** All control characters but the end of a line. */
const harmless = (text: string): string => text.replace(/[^\P{Cc}\n]+/gu, ' ')

const refuse = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, TEXT)
  response.end(harmless(text))
}

/** Where we were asked, for URLs that the caller can ask again. The header is the caller's own text. */
const baseOf = ({ headers, socket }: IncomingMessage): string => {
  const host = headers.host ?? ''
  if (/^[\w.:[\]-]{1,255}$/.test(host)) return `http://${host}`
  const address = socket.localAddress ?? '127.0.0.1'
  return `http://${isIPv6(address) ? `[${address}]` : address}:${socket.localPort}`
}

/** A page of some other site makes a browser ask us: not an operator's wish. */
const isFromElsewhere = ({ headers }: IncomingMessage): boolean =>
  headers['sec-fetch-site'] === 'cross-site' || headers['sec-fetch-site'] === 'same-site'

const write = async (response: ServerResponse, text: string, signal: AbortSignal): Promise<void> => {
  if (!response.write(harmless(text))) await once(response, 'drain', { signal })
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
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const signal = AbortSignal.any([closing, gone.signal])
  await deps.fleet.settled
  const texts = route(deps, { query: createQuery(searchParams), base: baseOf(request), signal })
  response.writeHead(200, TEXT)
  try {
    for await (const text of texts) await write(response, text, signal)
  } catch (error) {
    if (signal.aborted || isAbortError(error)) return
    if (!(error instanceof OperatingError))
      deps.logger.error({ err: error, path: pathname }, 'the Autopilot gateway failed because of a bug')
    const why =
      error instanceof OperatingError ? error.message : "internal error; the collector's log has the details"
    await write(response, `\n${why}. ABORT\n`, signal)
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
    if (!closing.aborted) deps.logger.error({ err: error }, 'the Autopilot gateway could not answer')
    response.destroy()
  }
}

/**
 * Serves the endpoints of IBM Autopilot until it is closed.
 * @throws OperatingError with one clear line when the address cannot be listened on
 */
export const listenAutopilot = async (given: Omit<GatewayDeps, 'inBackground'>): Promise<HttpServer> => {
  const closing = new AbortController()
  const background = new Set<Promise<void>>()
  let answers = 0
  const inBackground: GatewayDeps['inBackground'] = (work) => {
    const done = work(closing.signal).catch((error: unknown) => {
      if (!closing.signal.aborted) given.logger.error({ err: error }, 'an invasive check failed')
    })
    background.add(done)
    void done.then(() => background.delete(done))
  }
  const deps = { ...given, inBackground }
  const server = createServer((request, response) => {
    if (isFromElsewhere(request)) return refuse(response, 403, 'not for pages of other sites\n')
    if (request.method !== 'GET' && request.method !== 'POST')
      return refuse(response, 405, 'only GET and POST\n')
    // In the old daemon this is another port; it has to answer also when all else is busy.
    if (/^\/readinessprobe(\?|$)/.test(request.url ?? '')) {
      response.writeHead(201, { 'content-type': 'application/json' })
      return response.end('{"Name":"readinessProbe","Body":"ready"}\n')
    }
    if (answers >= MAX_ANSWERS)
      return refuse(response, 503, `${MAX_ANSWERS} requests are being answered; try again later. ABORT\n`)
    answers++
    return handle(deps, request, response, closing.signal).finally(() => {
      answers--
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  server.requestTimeout = 10_000
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
