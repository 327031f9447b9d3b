/** The netperf engine with the real programs on loopback, where they are, and with programs that misbehave. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { afterAll, describe, expect, test } from 'vitest'
import { Direction, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { systemClock } from '../../../lib/clock.ts'
import { fromDuration } from '../../../lib/protobuf-time.ts'
import { createProcesses } from '../../processes.ts'
import type { IperfEngine } from '../engine.ts'
import { collect, fastClock, flowTo, freePort, listenerOn, listenOn } from '../testing/loopback.ts'
import { createNetperf } from './engine.ts'
import { findNetperf, NO_NETPERF } from './fixtures/program.ts'

const logger = pino({ level: 'silent' })
const realTimeProcesses = createProcesses({ logger, clock: systemClock }, { graceSeconds: 0.05 })
const fastProcesses = createProcesses({ logger, clock: fastClock }, { graceSeconds: 0.05 })
const folder = mkdtempSync(join(tmpdir(), 'meshgauge-netperf-'))
const opened: Server[] = []
afterAll(async () => {
  for (const server of opened) server.close()
  await Promise.all([realTimeProcesses.close(), fastProcesses.close()])
  rmSync(folder, { recursive: true })
})

const never = new AbortController().signal
const engineOf = (netperf: string): IperfEngine =>
  createNetperf({ processes: realTimeProcesses, clock: systemClock }, { agentPort: 1, programs: { netperf } })

const program = findNetperf()

describe.skipIf(program === undefined)(program ?? `netperf (skipped: ${NO_NETPERF})`, () => {
  const engine = engineOf(program ?? 'netperf')
  const SHORT = { duration: { seconds: 1 }, interval: { nanos: 250_000_000 } }
  const measure = async (options: Parameters<typeof IperfOptions.fromPartial>[0]) => {
    const listener = await listenerOn()
    const server = engine.serve(listener, never)
    await server.ready
    const run = await collect(
      engine.run(flowTo(listener.port), IperfOptions.fromPartial({ ...SHORT, ...options }), never),
    )
    return { ...run, served: await server.done }
  }

  test('is detected', async () => {
    expect(await engine.detect(never)).toEqual({
      available: true,
      version: expect.stringMatching(/^2\.\d+/),
      reasons: [],
    })
  })

  test.each([
    ['TCP', Protocol.PROTOCOL_TCP],
    ['UDP', Protocol.PROTOCOL_UDP],
  ])('measures transactions over %s, and the server ends after its client', async (_, protocol) => {
    const { result, samples, served } = await measure({ requestResponse: { requestBytes: 64 }, protocol })
    expect(served).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, reason: '' })
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, reason: '' })
    const { perSecond, min, p50, p99, max } = result.transactions!
    expect(perSecond).toBeGreaterThan(100)
    const times = [min, p50, p99, max].map((time) => fromDuration(time)!)
    expect(times).toEqual([...times].sort((a, b) => a - b))
    expect(times[0]).toBeGreaterThan(0)
    // The rate is the inverse of the mean latency.
    expect(perSecond * fromDuration(result.transactions!.mean)!).toBeGreaterThan(0.7)
    expect(perSecond * fromDuration(result.transactions!.mean)!).toBeLessThan(1.05)
    expect(samples).toEqual([])
    expect(result.senderCpuRatio).toBeGreaterThan(0)
  })

  test('a warm-up is a separate run before the measured one, on the same server', async () => {
    const { result, served } = await measure({ requestResponse: {}, omit: { seconds: 1 } })
    expect(served.outcome).toBe(Outcome.OUTCOME_MEASURED)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, omitted: { seconds: 1 } })
    expect(fromDuration(result.duration)).toBeCloseTo(1, 1)
  })

  test.each([
    ['forward', Direction.DIRECTION_FORWARD],
    ['reverse', Direction.DIRECTION_REVERSE],
  ])('measures a stream, %s, with samples', async (_, direction) => {
    const { result, samples } = await measure({ direction, lengthBytes: 65536 })
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, transactions: undefined })
    expect(result.bitsPerSecond).toBeGreaterThan(1e6)
    expect(samples.length).toBeGreaterThanOrEqual(2)
    const total = samples.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(total / result.receivedBytes!).toBeGreaterThan(0.5)
    expect(total / result.receivedBytes!).toBeLessThan(1.5)
  })

  test('extra arguments reach netperf, and their values are returned', async () => {
    const extraArguments = ['-b', '3', '-o', 'BURST_SIZE,REQUEST_SIZE']
    const { result } = await measure({ requestResponse: { requestBytes: 32 }, extraArguments })
    expect(result.programValues).toMatchObject({ BURST_SIZE: '3', REQUEST_SIZE: '32' })
  })

  test('a missing server is a refusal that can be retried; a silent one is not', async () => {
    const refused = await collect(engine.run(flowTo(await freePort()), undefined, never))
    expect(refused).toMatchObject({ retryable: true, result: { outcome: Outcome.OUTCOME_REFUSED } })
    const silent = await listenOn(0)
    opened.push(silent)
    const address = silent.address()
    const quick = createNetperf(
      { processes: realTimeProcesses, clock: fastClock },
      { agentPort: 1, programs: { netperf: program! } },
    )
    const flow = flowTo(typeof address === 'object' && address ? address.port : 0)
    const unanswered = await collect(quick.run(flow, IperfOptions.fromPartial(SHORT), never))
    expect(unanswered.result).toMatchObject({
      outcome: Outcome.OUTCOME_UNREACHABLE,
      reason: 'the server did not answer',
    })
  })

  test('an address that this node does not have has its own error kind at both endpoints', async () => {
    const flow = flowTo(await freePort(), { sourceAddress: '203.0.113.77' })
    const { result } = await collect(engine.run(flow, undefined, never))
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
    expect(result.reason).toContain('does not have the source address')
    const server = engine.serve(await listenerOn({ address: '203.0.113.77' }), never)
    await expect(server.ready).rejects.toMatchObject({ name: 'EngineError', kind: 'address-missing' })
  })

  test('a port in use has its own error kind', async () => {
    const taken = await listenOn(0)
    opened.push(taken)
    const address = taken.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const server = engine.serve(await listenerOn({ port }), never)
    await expect(server.ready).rejects.toMatchObject({ kind: 'address-in-use' })
    expect(await server.done).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
  })

  test('a server without a client times out', async () => {
    const server = engine.serve(await listenerOn({ idleSeconds: 0.2 }), never)
    await server.ready
    expect(await server.done).toMatchObject({
      outcome: Outcome.OUTCOME_TIMED_OUT,
      reason: 'no client connected within 0.2 s',
    })
  })

  test('a server that ends during a test leaves no value', async () => {
    const listener = await listenerOn()
    const leaving = new AbortController()
    const server = engine.serve(listener, leaving.signal)
    await server.ready
    const options = IperfOptions.fromPartial({ requestResponse: {}, duration: { seconds: 20 } })
    setTimeout(() => leaving.abort(), 600)
    const { result } = await collect(engine.run(flowTo(listener.port), options, never))
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_INVALID, transactions: undefined })
    expect((await server.done).outcome).toBe(Outcome.OUTCOME_NOT_RUN)
  })

  test('aborting ends a client, and its server with it', async () => {
    const listener = await listenerOn()
    const server = engine.serve(listener, never)
    await server.ready
    const controller = new AbortController()
    const run = async () => {
      const options = IperfOptions.fromPartial({ ...SHORT, duration: { seconds: 60 } })
      for await (const _ of engine.run(flowTo(listener.port), options, controller.signal)) {
        controller.abort(new Error('enough'))
      }
    }
    await expect(run()).rejects.toThrow('enough')
    expect((await server.done).outcome).not.toBe(Outcome.OUTCOME_TIMED_OUT)
  })
})

/** A program that reports to be netperf, and then behaves like a fixture. */
const fakeProgram = (fixture: string, version = '2.7.1'): string => {
  const target = fileURLToPath(new URL(`../fixtures/programs/${fixture}`, import.meta.url))
  const path = join(folder, `${fixture}-${version}`)
  const script = `case "$*" in *-V*) echo "Netperf version ${version}"; exit;; esac\nexec "${target}"`
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
  return path
}

describe('a program that reports to be netperf and', () => {
  const engineLike = (fixture: string) => {
    const path = fakeProgram(fixture)
    return createNetperf(
      { processes: fastProcesses, clock: fastClock },
      { agentPort: 1, programs: { netperf: path, netserver: path } },
    )
  }

  test.each([
    ['rubbish', Outcome.OUTCOME_INVALID, /without a result; it wrote: Segmentation fault\?/],
    ['floods', Outcome.OUTCOME_INVALID, /1234567890|far more/],
    ['floods-stderr', Outcome.OUTCOME_INVALID, /1234567890|far more/],
    ['one-long-line', Outcome.OUTCOME_INVALID, /line of over/],
    ['fails-at-once', Outcome.OUTCOME_INVALID, /exit code 3: cannot do this/],
    ['dies', Outcome.OUTCOME_INVALID, /^netperf crashes: it was ended by SIGSEGV/],
    ['hangs', Outcome.OUTCOME_INVALID, /^netperf hangs: it opened no connection/],
    ['ignores-sigterm', Outcome.OUTCOME_INVALID, /^netperf hangs: it opened no connection/],
  ])('%s', async (fixture, outcome, reason) => {
    const { result } = await collect(engineLike(fixture).run(flowTo(1), undefined, never))
    expect(result).toMatchObject({ outcome, reason: expect.stringMatching(reason), bitsPerSecond: undefined })
    expect(result.programFault?.program).toBe('netperf')
    const server = engineLike(fixture).serve(await listenerOn({ idleSeconds: 1 }), never)
    await expect(server.ready).rejects.toMatchObject({ name: 'EngineError' })
    expect((await server.done).outcome).not.toBe(Outcome.OUTCOME_MEASURED)
  })
})

describe('detection', () => {
  test('reports all reasons: an old netperf, and no netserver', async () => {
    const engine = createNetperf(
      { processes: realTimeProcesses, clock: systemClock },
      { agentPort: 1, programs: { netperf: fakeProgram('hangs', '2.4.5') } },
    )
    expect(await engine.detect(never)).toEqual({
      available: false,
      version: '2.4.5',
      reasons: [
        expect.stringMatching(
          /is version 2\.4\.5, older than 2\.7: install it with `apt-get install netperf`/,
        ),
        expect.stringMatching(/netserver is not installed: install it with `apt-get install netperf`/),
      ],
    })
  })

  test('reports a netperf that was built without interim results', async () => {
    const path = join(folder, 'no-demo')
    const script = `[ "$1" = -D ] && echo "Sorry, Demo Mode not configured into this netperf."\necho "Netperf version 2.7.0"`
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
    const engine = createNetperf(
      { processes: realTimeProcesses, clock: systemClock },
      { agentPort: 1, programs: { netperf: path, netserver: path } },
    )
    expect(await engine.detect(never)).toMatchObject({
      available: false,
      reasons: [expect.stringContaining('built without interim results')],
    })
  })

  test('reports that netperf is not installed', async () => {
    const engine = engineOf('/nonexistent/netperf')
    const missing = await collect(engine.run(flowTo(1), undefined, never))
    expect(missing.result).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
    expect(missing.result.reason).toMatch(/netperf is not installed.*netserver is not installed/)
  })
})
