import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'

/** One export over HTTP. `body` is the decompressed message. */
export type HttpExport = { path: string; headers: IncomingHttpHeaders; body: Buffer }

const read = async (request: IncomingMessage): Promise<HttpExport> => {
  const body = await buffer(request)
  const isCompressed = request.headers['content-encoding'] === 'gzip'
  return { path: request.url ?? '', headers: request.headers, body: isCompressed ? gunzipSync(body) : body }
}

/** Starts an OTLP/HTTP server on a free port. The handler of the request path gets each export; other paths return 404. */
export const startHttpReceiver = async (
  host: string,
  handlers: Readonly<Record<string, (received: HttpExport) => void>>,
): Promise<{ port: number; close(): Promise<void> }> => {
  const server = createServer((request, response) => {
    read(request)
      .then((received) => {
        const handle = handlers[received.path]
        handle?.(received)
        // An empty ExportServiceResponse encodes to zero bytes.
        response
          .writeHead(handle ? 200 : 404, { 'content-type': request.headers['content-type'] ?? '' })
          .end()
      })
      .catch((error: Error) => response.writeHead(400).end(error.message))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
