import { createServer } from 'node:net'
import { Gauge, Registry } from 'prom-client'
import { afterEach, describe, expect, test } from 'vitest'
import type { HttpServer } from '../../../lib/http-listener.ts'
import { listenHttp } from './http-server.ts'

let server: HttpServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

const start = async (problems: string[] = []): Promise<string> => {
  const registry = new Registry()
  const gauge = new Gauge({ name: 'a_gauge', help: 'Help.', labelNames: ['n'], registers: [registry] })
  for (let n = 0; n < 100; n++) gauge.set({ n: String(n) }, n)
  server = await listenHttp({ registry, health: () => problems, address: '127.0.0.1:0' })
  return `http://127.0.0.1:${server.port}`
}

describe('paths', () => {
  test('/metrics has the content type that Prometheus expects, and is compressed on request', async () => {
    const base = await start()
    for (const encoding of ['gzip', 'identity']) {
      const response = await fetch(`${base}/metrics?x=1`, { headers: { 'accept-encoding': encoding } })
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
      expect(response.headers.get('content-encoding')).toBe(encoding === 'gzip' ? 'gzip' : null)
      expect(await response.text()).toContain('a_gauge{n="99"} 99\n')
    }
  })

  test('/healthz is ok, or lists all problems', async () => {
    const problems: string[] = []
    const base = await start(problems)
    const healthy = await fetch(`${base}/healthz`)
    expect([healthy.status, await healthy.text()]).toEqual([200, 'ok\n'])
    problems.push('the disk is full', 'no node answers')
    const unhealthy = await fetch(`${base}/healthz`)
    expect([unhealthy.status, await unhealthy.text()]).toEqual([503, 'the disk is full\nno node answers\n'])
  })

  test('/ links to the other pages, unknown paths are 404, and only GET and HEAD are allowed', async () => {
    const base = await start()
    const index = await fetch(base)
    expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(await index.text()).toContain('href="/metrics"')
    expect((await fetch(`${base}/nothing`)).status).toBe(404)
    const post = await fetch(`${base}/metrics`, { method: 'POST' })
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    const head = await fetch(`${base}/metrics`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('a metric that cannot be read is a 500 with its reason, and the server continues', async () => {
    const registry = new Registry()
    const collect = () => {
      throw new Error('the sensor is gone')
    }
    new Gauge({ name: 'broken', help: 'Help.', registers: [registry], collect })
    server = await listenHttp({ registry, health: () => [], address: '127.0.0.1:0' })
    const response = await fetch(`http://127.0.0.1:${server.port}/metrics`)
    expect([response.status, await response.text()]).toEqual([500, 'the sensor is gone\n'])
    expect((await fetch(`http://127.0.0.1:${server.port}/healthz`)).status).toBe(200)
  })
})

describe('listening', () => {
  const listen = (address: string, signal?: AbortSignal) =>
    listenHttp({ registry: new Registry(), health: () => [], address }, signal)

  test('a port in use is a clear error', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as { port: number }
    await expect(listen(`127.0.0.1:${port}`)).rejects.toThrow(
      expect.objectContaining({
        reason: 'SPEC_INVALID',
        message: `cannot listen on 127.0.0.1:${port}: the port is in use; stop the program that uses it, or choose another port`,
      }),
    )
    other.close()
  })

  test.each([
    ['192.0.2.1:0', 'this host does not have that address'],
    ['9464', 'write HOST:PORT, such as 127.0.0.1:9464'],
    ['127.0.0.1', 'write HOST:PORT'],
    ['127.0.0.1:65536', 'write HOST:PORT'],
    ['127.0.0.1:http', 'write HOST:PORT'],
  ])('%s: %s', async (address, problem) => {
    await expect(listen(address)).rejects.toThrow(`cannot listen on ${address}: ${problem}`)
  })

  test('accepts IPv6 in brackets', async () => {
    server = await listen('[::1]:0')
    expect((await fetch(`http://[::1]:${server.port}/healthz`)).status).toBe(200)
  })

  test('ends with the signal', async () => {
    const controller = new AbortController()
    const { port } = await listen('127.0.0.1:0', controller.signal)
    controller.abort()
    await expect
      .poll(() =>
        fetch(`http://127.0.0.1:${port}/healthz`).then(
          () => 'up',
          () => 'down',
        ),
      )
      .toBe('down')
  })
})
