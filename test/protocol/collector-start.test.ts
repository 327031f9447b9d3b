import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startService } from '../testing/service-process.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** A start that takes longer is killed, and has no exit code. */
const START_TIMEOUT_MS = 60_000

let folder: string
/** Accepts connections and never answers: an agent that hangs, and a port that is in use. */
let silentServer: Server
let usedAddress: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-start-'))
  silentServer = createServer()
  silentServer.listen(0, '127.0.0.1')
  await once(silentServer, 'listening')
  usedAddress = `127.0.0.1:${(silentServer.address() as AddressInfo).port}`
  writeFileSync(
    join(folder, 'fleet.yaml'),
    `insecure: true
nodes: [{ name: n1, address: "${usedAddress}" }, { name: n2, address: 127.0.0.1:10 }]
checks: [{ check: interfaces, every: 1m }]
`,
  )
})
afterAll(() => {
  silentServer.close()
  rmSync(folder, { recursive: true })
})

const argsOf = (given: Record<string, string>): string[] => {
  const usual = { listen: '127.0.0.1:0', http: '127.0.0.1:0', store: join(folder, 'store.db') }
  const flags = Object.entries({ config: join(folder, 'fleet.yaml'), ...usual, ...given })
  return ['collector', ...flags.flatMap(([name, value]) => [`--${name}`, value])]
}

const start = async (given: Record<string, string>, env: Record<string, string> = {}) => {
  const { stderr, exitCode } = await execa(MESHGAUGE, argsOf(given), {
    reject: false,
    env,
    timeout: START_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  const lines = stderr.split('\n').filter((line) => !line.startsWith('{'))
  return { stderr, exitCode, last: lines.at(-1) }
}

test.each([
  ['the gRPC port is in use', 'listen'],
  ['the HTTP port is in use', 'http'],
])('a collector reports the error and exits, also while an agent hangs: %s', async (_, flag) => {
  const { stderr, exitCode, last } = await start({ [flag]: usedAddress })
  expect({ exitCode, last }).toEqual({
    exitCode: 2,
    last: `cannot listen on ${usedAddress}: the port is in use; stop the program that uses it, or choose another port`,
  })
  // The collector did not wait for agents that do not answer.
  expect(stderr).not.toContain('DEADLINE_EXCEEDED')
})

test('the port of the Autopilot gateway is in use', async () => {
  const port = usedAddress.split(':')[1]!
  expect(await start({ 'autopilot-port': port })).toMatchObject({
    exitCode: 2,
    last: expect.stringContaining(`cannot listen on ${usedAddress}: the port is in use`),
  })
})

test('an invalid host', async () => {
  const last = expect.stringContaining('the host name is not known')
  expect(await start({ listen: 'no-such-host.invalid:50050' })).toMatchObject({ exitCode: 2, last })
})

test.each(['grpc', 'http/protobuf'])('an invalid OTLP endpoint, with %s', async (protocol) => {
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: '://nowhere',
    OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'collector of metrics',
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
  }
  const { stderr, exitCode } = await start({}, env)
  expect(exitCode).toBe(2)
  expect(stderr).toContain(
    'OTEL_EXPORTER_OTLP_ENDPOINT          "://nowhere" is not an endpoint; write http://HOST:43',
  )
  expect(stderr).toContain('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT  "collector of metrics" is not an endpoint')
  expect(stderr).not.toContain('A bug')
})

test('a file that is not a store, with an OTLP backend that does not answer', async () => {
  const store = join(folder, 'not-a-store')
  writeFileSync(store, 'something else')
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://${usedAddress}` }
  expect(await start({ store }, env)).toMatchObject({
    exitCode: 3,
    last: expect.stringContaining('it is not a meshgauge store'),
  })
})

test('a failed start releases its store and its ports', async () => {
  const store = join(folder, 'again.db')
  expect(await start({ store, http: usedAddress })).toMatchObject({ exitCode: 2 })
  expect(existsSync(store)).toBe(true)
  const collector = await startService(argsOf({ store }))
  await collector.stop('SIGTERM')
  expect(collector.log()).toContain('collector stopping')
})
