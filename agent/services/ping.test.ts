import { expect, test } from 'vitest'
import { PingRequest } from '#proto/meshgauge/agent/v1/ping.ts'
import { systemClock } from '../../lib/clock.ts'
import { createDraining } from '../draining.ts'
import { createPingService } from './ping.ts'

const serviceOf = () => {
  const engine = {
    validate: () => [],
    async *ping(_request: unknown, _source: unknown, signal: AbortSignal) {
      yield* []
      await systemClock.sleep(1000, signal)
    },
  }
  return createPingService(
    {
      clock: systemClock,
      draining: createDraining(),
      engines: { ping: async () => ({ engine, version: { name: 'fping', version: '5' } }) },
      interfaces: {
        throwIfDown: () => undefined,
        addressesOf: () => [],
        networks: () => [],
        list: () => [],
        mayUse: () => true,
      },
    } as never,
    { allowPeers: ['127.0.0.0/8'], interfaces: [], maxDurationSeconds: 60 } as never,
  )
}

test('a caller that cancels before it has read Started causes no unhandled rejection', async () => {
  const failures: unknown[] = []
  const onFailure = (reason: unknown) => failures.push(reason)
  process.on('unhandledRejection', onFailure)
  const service = serviceOf()
  const caller = new AbortController()
  const request = PingRequest.fromPartial({ targets: [{ address: '127.0.0.1' }], continuous: true })
  const stream = service.ping(request, { signal: caller.signal } as never)[Symbol.asyncIterator]()
  await stream.next()
  caller.abort()
  await stream.return?.()
  await systemClock.sleep(0.01)
  process.off('unhandledRejection', onFailure)
  expect(failures).toEqual([])
})

test.each([0, -1, 4000])('refuses windows of %d s', async (seconds) => {
  const reportInterval = { seconds, nanos: 0 }
  const request = PingRequest.fromPartial({ targets: [{ address: '127.0.0.1' }], reportInterval })
  const { signal } = new AbortController()
  const stream = serviceOf()
    .ping(request, { signal } as never)
    [Symbol.asyncIterator]()
  await expect(stream.next()).rejects.toThrow('report_interval')
})
