import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { capHttpConnections, createConnectionCap, maxGrpcConnections } from './connection-cap.ts'

const cleanUps: (() => void)[] = []
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0)) cleanUp()
})

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanUps.push(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
const halfOpen = async (port: number, text: string, localAddress = '127.0.0.9'): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  cleanUps.push(() => socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

describe('an HTTP server', () => {
  test('answers while hundreds of connections are half open, of one peer or of several', async () => {
    const server = createServer((_, response) => response.end('ok'))
    capHttpConnections(server)
    const port = await listen(server)
    const peers = ['127.0.0.1', '127.0.0.9', '127.0.0.10', '127.0.0.11', '127.0.0.12']
    for (let number = 0; number < 300; number++)
      await halfOpen(port, number % 2 ? '' : 'GET /healthz HT', peers[number % peers.length])
    for (let turn = 0; turn < 3; turn++) {
      const response = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2000) })
      expect(await response.text()).toBe('ok')
    }
    const count = await new Promise<number>((resolve) => server.getConnections((_, found) => resolve(found)))
    expect(count).toBeLessThanOrEqual(65)
  })

  test('a request in progress is not replaced', async () => {
    const waiting = Promise.withResolvers<void>()
    const server = createServer((_, response) => void waiting.promise.then(() => response.end('late')))
    capHttpConnections(server, { max: 4, maxPerPeer: 2 })
    const port = await listen(server)
    const slow = fetch(`http://127.0.0.1:${port}/metrics`)
    await expect.poll(() => server.listenerCount('request')).toBeGreaterThan(0)
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (let number = 0; number < 20; number++) await halfOpen(port, '', `127.0.0.${1 + (number % 4)}`)
    waiting.resolve()
    expect(await (await slow).text()).toBe('late')
  })

  test('a connection without a request is closed after three seconds', async () => {
    const server = createServer()
    capHttpConnections(server)
    const socket = await halfOpen(await listen(server), 'GET / HTTP/1.1\r\nX: ')
    const startedAt = performance.now()
    await once(socket, 'close')
    expect(performance.now() - startedAt).toBeLessThan(5000)
  })
})

test('when every connection is in use, the new one is refused', () => {
  const destroyed: string[] = []
  const socketOf = (name: string) =>
    ({
      remoteAddress: '10.0.0.1',
      destroy: () => destroyed.push(name),
      once: () => undefined,
    }) as unknown as Socket
  const add = createConnectionCap({ max: 2, maxPerPeer: 2 }, () => true)
  for (const name of ['a', 'b', 'c']) add(socketOf(name))
  expect(destroyed).toEqual(['c'])
})

test.each([
  [64, 10],
  [20, 6],
  [256, 106],
  [1_048_576, 512],
])('with %d descriptors there are %d connections', (descriptors, expected) => {
  expect(
    maxGrpcConnections(
      `Limit   Soft Limit\nMax open files            ${descriptors}   ${descriptors}   files\n`,
    ),
  ).toBe(expected)
  expect(maxGrpcConnections('')).toBe(512)
})
