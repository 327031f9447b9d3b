import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'

/** One export over HTTP: the bytes of its message, whatever they were packed in. */
export type HttpExport = { path: string; headers: IncomingHttpHeaders; body: Buffer }

const read = async (request: IncomingMessage): Promise<HttpExport> => {
  const body = await buffer(request)
  const packed = request.headers['content-encoding'] === 'gzip'
  return { path: request.url ?? '', headers: request.headers, body: packed ? gunzipSync(body) : body }
}

/** OTLP/HTTP on a free port: what is posted goes to the handler of its path; other paths are 404, as a backend answers. */
export const startHttpReceiver = async (
  host: string,
  handlers: Readonly<Record<string, (received: HttpExport) => void>>,
): Promise<{ port: number; close(): Promise<void> }> => {
  const server = createServer((request, response) => {
    read(request)
      .then((received) => {
        const handle = handlers[received.path]
        handle?.(received)
        // An empty ExportServiceResponse is no bytes at all.
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
