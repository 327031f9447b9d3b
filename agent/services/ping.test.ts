import { expect, test } from 'vitest'
import { PingRequest, PingResponse } from '#proto/meshgauge/agent/v1/ping.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { systemClock } from '../../lib/clock.ts'
import { createProbeCeiling } from '../ceilings.ts'
import { createDraining } from '../draining.ts'
import { createPingService } from './ping.ts'

const silentEngine = {
  validate: () => [],
  async *ping(_request: unknown, _source: unknown, signal: AbortSignal) {
    yield* []
    await systemClock.sleep(1000, signal)
  },
}

const serviceOf = (engine: unknown = silentEngine) =>
  createPingService(
    {
      clock: systemClock,
      draining: createDraining(),
      probeCeiling: createProbeCeiling(),
      probes: { answered: 0, lost: 0 },
      cpuShortage: { begin: () => () => '' },
      engines: { ping: async () => ({ engine, version: { name: 'fping', version: '5' } }) },
      interfaces: {
        throwIfDown: () => undefined,
        addressesOf: () => [],
        networks: () => [],
        list: () => [],
        mayUse: () => true,
      },
    } as never,
    { allowPeers: ['127.0.0.0/8'], interfaces: [], maxDurationSeconds: 60, maxBitsPerSecond: 0 } as never,
  )

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

test('a target outside the allowed networks is refused without the others', async () => {
  const probed: string[] = []
  const engine = {
    validate: () => [],
    async *ping({ targets }: PingRequest) {
      for (const [targetIndex, { address }] of targets.entries()) {
        probed.push(address)
        yield { targetIndex, rttSeconds: 0.001, refused: false, reason: '' }
      }
    },
  }
  const request = PingRequest.fromPartial({
    targets: ['127.0.0.1', '192.0.2.9', '127.0.0.3'].map((address) => ({ address })),
  })
  const { signal } = new AbortController()
  const events: PingResponse[] = []
  for await (const event of serviceOf(engine).ping(request, { signal } as never))
    events.push(PingResponse.fromPartial(event))
  expect(probed).toEqual(['127.0.0.1', '127.0.0.3'])
  const summary = events.at(-1)?.event
  expect(summary).toMatchObject({
    $case: 'summary',
    value: {
      results: [
        { targetIndex: 0, outcome: Outcome.OUTCOME_MEASURED },
        {
          targetIndex: 1,
          outcome: Outcome.OUTCOME_NOT_RUN,
          reason: expect.stringMatching(/^192\.0\.2\.9: not in a network that this agent may measure \(127/),
        },
        { targetIndex: 2, outcome: Outcome.OUTCOME_MEASURED },
      ],
    },
  })
})

test('a request whose targets are all outside the allowed networks fails', async () => {
  const request = PingRequest.fromPartial({ targets: [{ address: '192.0.2.9' }] })
  const { signal } = new AbortController()
  const stream = serviceOf()
    .ping(request, { signal } as never)
    [Symbol.asyncIterator]()
  await expect(stream.next()).rejects.toMatchObject({ reason: 'PEER_NOT_ALLOWED' })
})
