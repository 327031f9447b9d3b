import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ServiceProcess, startService } from '../testing/service-process.ts'
import { type BadRequest, type Method, methods } from './bad-bytes.ts'

let folder: string
let agent: ServiceProcess
let collector: ServiceProcess
const clients = new Map<string, Client>()

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-bad-input-'))
  agent = await startService([
    'agent',
    '--node',
    'n1',
    '--listen',
    '127.0.0.1:0',
    '--interface',
    'lo=127.0.0.1',
  ])
  writeFileSync(
    join(folder, 'fleet.yaml'),
    `schedules: []\nnodes:\n  - { name: n1, address: "127.0.0.1:${agent.port}" }\n`,
  )
  const places = ['--listen', '127.0.0.1:0', '--http', '127.0.0.1:0', '--store', join(folder, 'store.db')]
  collector = await startService(['collector', '--config', join(folder, 'fleet.yaml'), ...places])
  for (const [name, { port }] of Object.entries({ agent, collector }))
    clients.set(name, new Client(`127.0.0.1:${port}`, credentials.createInsecure()))
})
afterAll(async () => {
  for (const client of clients.values()) client.close()
  await Promise.all([collector, agent].map((service) => service.stop('SIGTERM')))
  rmSync(folder, { recursive: true })
})

const asIs = (bytes: Buffer): Buffer => bytes

/** Sends bytes as a request of a method. Returns how the call ends; undefined for OK. */
const send = (method: Method, bytes: Buffer): Promise<ServiceError | undefined> =>
  new Promise((resolve) => {
    const client = clients.get(method.path.startsWith('/meshgauge.agent.') ? 'agent' : 'collector')!
    if (!method.responseStream) {
      client.makeUnaryRequest(method.path, asIs, asIs, bytes, (error) => resolve(error ?? undefined))
      return
    }
    const call = method.requestStream
      ? client.makeBidiStreamRequest(method.path, asIs, asIs)
      : client.makeServerStreamRequest(method.path, asIs, asIs, bytes)
    if (method.requestStream) (call as ReturnType<Client['makeBidiStreamRequest']>).write(bytes)
    call.on('data', () => undefined)
    call.on('error', (error: ServiceError) => resolve(error))
    call.on('end', () => resolve(undefined))
  })

/** What is wrong with the answer to an invalid request, if anything. */
const problemOf = async (method: Method, { path, bytes }: BadRequest): Promise<string[]> => {
  const error = await send(method, bytes)
  const expected = path === '' ? 'is not valid: ' : `${path}: `
  const isExpected = error?.code === status.INVALID_ARGUMENT && error.details.includes(expected)
  return isExpected ? [] : [`${path} ${bytes.toString('hex')}: ${error?.message ?? 'OK'}`]
}

describe('invalid input is INVALID_ARGUMENT with the field', () => {
  test.each(methods.map((method) => [method.path, method] as const))('%s', async (_, method) => {
    const problems: string[] = []
    for (const request of method.badRequests) problems.push(...(await problemOf(method, request)))
    expect(problems).toEqual([])
  })

  test('every kind of invalid value is sent', () => {
    const paths = methods.flatMap(({ path, badRequests }) =>
      badRequests.map((request) => `${path.split('/')[2]} ${request.path}`),
    )
    expect(paths).toEqual(
      expect.arrayContaining([
        'Run options.bytes',
        'CreateRun spec.iperf.options.duration',
        'CreateRun spec.expectations[0].limit',
        'CreateRun spec.topology.pairs[0].source',
        'GetPathHistory start_time',
        'PingMesh acknowledgement.sequence',
        'CreateSchedule spec.blackouts[0].duration',
      ]),
    )
  })
})
