import { createServer } from 'node:net'

const canListen = (port: number): Promise<number | undefined> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1' }, () => {
      const address = server.address()
      const bound = typeof address === 'object' && address ? address.port : undefined
      server.close(() => resolve(bound))
    })
  })

/** `127.0.0.1:PORT` with the usual port, or with any free port if that one is in use. */
export const freeLoopbackAddress = async (usual: number): Promise<string> => {
  const port = (await canListen(usual)) ?? (await canListen(0))
  if (port === undefined) throw new Error('no port of 127.0.0.1 is free')
  return `127.0.0.1:${port}`
}
