/** The iperf3 engine with real programs on loopback, and with programs that misbehave. */

import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { pino } from 'pino'
import { afterAll, describe, expect, test } from 'vitest'
import { Direction, type Flow, IperfOptions, Protocol } from '#proto/meshgauge/agent/v1/iperf.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { systemClock } from '../../../lib/clock.ts'
import { createProcesses } from '../../processes.ts'
import type { IperfEngine, IperfEvent } from '../engine.ts'
import { collect, fastClock, flowTo, freePort, listenerOn } from '../testing/loopback.ts'
import { createIperf3 } from './engine.ts'

const logger = pino({ level: 'silent' })
const created = [systemClock, fastClock].map((clock) =>
  createProcesses({ logger, clock }, { graceSeconds: 0.05 }),
)
const [realTimeProcesses, fastProcesses] = created as [(typeof created)[0], (typeof created)[0]]
const folder = mkdtempSync(join(tmpdir(), 'meshgauge-iperf3-'))
afterAll(async () => {
  await Promise.all(created.map((processes) => processes.close()))
  rmSync(folder, { recursive: true })
})

/** The installed iperf3, or those that the variable names, separated by colons. */
const programs = ['iperf3', ...(process.env.MESHGAUGE_TEST_IPERF3?.split(':') ?? [])]
const never = new AbortController().signal
const engineOf = (iperf3: string): IperfEngine =>
  createIperf3({ processes: realTimeProcesses, clock: systemClock }, { agentPort: 1, programs: { iperf3 } })

const SHORT = { duration: { seconds: 1 }, interval: { nanos: 500_000_000 } }

describe.each(programs)('%s', (program) => {
  const engine = engineOf(program)
  const measure = async (options: Parameters<typeof IperfOptions.fromPartial>[0], fields?: Partial<Flow>) => {
    const listener = await listenerOn()
    const server = engine.serve(listener, never)
    await server.ready
    const flow = flowTo(listener.port, fields)
    const run = await collect(engine.run(flow, IperfOptions.fromPartial(options), never))
    return { ...run, served: await server.done }
  }

  test('is detected', async () => {
    expect(await engine.detect(never)).toEqual({
      available: true,
      version: expect.stringMatching(/^3\.\d+/),
      reasons: [],
    })
  })

  test('measures TCP, both ends bound', async () => {
    const { samples, result, served } = await measure({ ...SHORT, parallelCount: 2 }, { interface: 'lo' })
    expect(served).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, reason: '', programFault: undefined })
    expect(served.receivedBytes! / result.receivedBytes!).toBeCloseTo(1, 1)
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, reason: '', lossRatio: undefined })
    expect(result.bitsPerSecond).toBeGreaterThan(1e6)
    expect(result.senderBitsPerSecond).toBeGreaterThan(1e6)
    expect(result.senderCpuRatio).toBeGreaterThan(0)
    expect(samples.length).toBeGreaterThanOrEqual(1)
    for (const sample of samples)
      expect(sample).toMatchObject({ flowIndex: 0, omitted: false, reverse: false })
  })

  test('measures UDP in both directions', async () => {
    const { samples, result } = await measure({
      ...SHORT,
      protocol: Protocol.PROTOCOL_UDP,
      direction: Direction.DIRECTION_BIDIRECTIONAL,
      bitsPerSecond: 2_000_000,
      lengthBytes: 1000,
    })
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, retransmitCount: undefined })
    expect(result.bitsPerSecond).toBeGreaterThan(1e6)
    expect(result.reverseBitsPerSecond).toBeGreaterThan(1e6)
    expect(result.lossRatio).toBeGreaterThanOrEqual(0)
    expect(result.jitter).toBeDefined()
    expect(samples.some((sample) => sample.reverse)).toBe(true)
  })

  test('a port without a listener is a refusal that can be retried', async () => {
    const { result, samples, retryable } = await collect(
      engine.run(flowTo(await freePort()), undefined, never),
    )
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_REFUSED, bitsPerSecond: undefined })
    expect(result.reason).toContain('Connection refused')
    expect({ samples, retryable }).toEqual({ samples: [], retryable: true })
  })

  test('a server with a client refuses the next one as busy', async () => {
    const listener = await listenerOn()
    const server = engine.serve(listener, never)
    await server.ready
    const first = engine.run(
      flowTo(listener.port),
      IperfOptions.fromPartial({ duration: { seconds: 2 } }),
      never,
    )
    const firstEvents = first[Symbol.asyncIterator]()
    expect(await firstEvents.next()).toMatchObject({ value: { kind: 'sample' } })
    const second = await collect(engine.run(flowTo(listener.port), IperfOptions.fromPartial(SHORT), never))
    expect(second.result).toMatchObject({ outcome: Outcome.OUTCOME_REFUSED })
    expect(second.result.reason).toContain('busy')
    expect(second.retryable).toBe(true)
    let last = await firstEvents.next()
    while (!last.done && last.value.kind === 'sample') last = await firstEvents.next()
    expect(last.value).toMatchObject({ kind: 'result', result: { outcome: Outcome.OUTCOME_MEASURED } })
    expect((await server.done).outcome).toBe(Outcome.OUTCOME_MEASURED)
  })

  test('a server that ends during a test leaves no figures', async () => {
    const listener = await listenerOn()
    const leaving = new AbortController()
    const server = engine.serve(listener, leaving.signal)
    await server.ready
    const options = IperfOptions.fromPartial({ duration: { seconds: 20 }, interval: { nanos: 200_000_000 } })
    const events: IperfEvent[] = []
    for await (const event of engine.run(flowTo(listener.port), options, never)) {
      leaving.abort()
      events.push(event)
    }
    const last = events.at(-1)
    expect(last).toMatchObject({ kind: 'result', result: { outcome: Outcome.OUTCOME_INVALID } })
    expect(last).toMatchObject({ result: { bitsPerSecond: undefined, senderBitsPerSecond: undefined } })
    expect((await server.done).outcome).toBe(Outcome.OUTCOME_NOT_RUN)
  })

  test('a port in use has its own error kind', async () => {
    const listener = await listenerOn()
    const leaving = new AbortController()
    const first = engine.serve(listener, leaving.signal)
    await first.ready
    const second = engine.serve(listener, never)
    await expect(second.ready).rejects.toMatchObject({ name: 'EngineError', kind: 'address-in-use' })
    expect(await second.done).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
    leaving.abort()
    expect(await first.done).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
  })

  test('an address that this node does not have has its own error kind', async () => {
    const server = engine.serve(await listenerOn({ address: '203.0.113.77' }), never)
    await expect(server.ready).rejects.toMatchObject({ kind: 'address-missing' })
    const flow = flowTo(await freePort(), { sourceAddress: '203.0.113.77' })
    const { result } = await collect(engine.run(flow, undefined, never))
    expect(result).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
    expect(result.reason).toContain('Cannot assign requested address')
  })

  test('a server without a client times out', async () => {
    const server = engine.serve(await listenerOn({ idleSeconds: 0.1 }), never)
    await server.ready
    const reason = 'no client connected within 0.1 s'
    expect(await server.done).toMatchObject({ outcome: Outcome.OUTCOME_TIMED_OUT, reason })
  })

  test('aborting ends a client', async () => {
    const listener = await listenerOn()
    const server = engine.serve(listener, never)
    await server.ready
    const controller = new AbortController()
    const run = async () => {
      const options = IperfOptions.fromPartial({ duration: { seconds: 60 } })
      for await (const _ of engine.run(flowTo(listener.port), options, controller.signal)) {
        controller.abort(new Error('enough'))
      }
    }
    await expect(run()).rejects.toThrow('enough')
    // The server is notified, and does not count the broken test as measured.
    expect((await server.done).outcome).toBe(Outcome.OUTCOME_INVALID)
  })
})

/** A program that reports this version of iperf3, and then behaves like a fixture. */
const fakeProgram = (version: string, fixture: string): string => {
  const target = fileURLToPath(new URL(`../fixtures/programs/${fixture}`, import.meta.url))
  const path = join(folder, `${fixture}-${version}`)
  writeFileSync(
    path,
    `#!/bin/sh\n[ "$1" = --version ] && echo "iperf ${version}" && exit\nexec "${target}"\n`,
  )
  chmodSync(path, 0o755)
  return path
}

describe.each(['3.12', '3.18'])('a program that reports to be iperf3 %s and', (version) => {
  const engineLike = (fixture: string) =>
    createIperf3(
      { processes: fastProcesses, clock: fastClock },
      { agentPort: 1, programs: { iperf3: fakeProgram(version, fixture) } },
    )

  test.each([
    ['rubbish', Outcome.OUTCOME_INVALID, /^iperf3 ended without a summary; it wrote: Segmentation fault\?/],
    ['floods', Outcome.OUTCOME_INVALID, /1234567890|far more/],
    ['floods-stderr', Outcome.OUTCOME_INVALID, /1234567890|far more/],
    ['one-long-line', Outcome.OUTCOME_INVALID, /line of over/],
    [
      'fails-at-once',
      Outcome.OUTCOME_INVALID,
      /^iperf3 fails without an error of iperf3: .*exit code 3: cannot do this/,
    ],
    ['dies', Outcome.OUTCOME_INVALID, /^iperf3 crashes: it was ended by SIGSEGV/],
    ['hangs', Outcome.OUTCOME_INVALID, /^iperf3 hangs: it opened no connection/],
    ['ignores-sigterm', Outcome.OUTCOME_INVALID, /^iperf3 hangs: it opened no connection/],
  ])('%s', async (fixture, outcome, reason) => {
    const { result } = await collect(engineLike(fixture).run(flowTo(1), undefined, never))
    expect(result).toMatchObject({ outcome, reason: expect.stringMatching(reason), bitsPerSecond: undefined })
    expect(result.programFault).toEqual({ program: 'iperf3', problem: result.reason.replace(/^iperf3 /, '') })
    const server = engineLike(fixture).serve(await listenerOn({ idleSeconds: 1 }), never)
    await expect(server.ready).rejects.toMatchObject({
      name: 'EngineError',
      programFault: { program: 'iperf3', problem: expect.stringMatching(/./) },
    })
    expect((await server.done).outcome).not.toBe(Outcome.OUTCOME_MEASURED)
  })
})

test('reports an old version and a missing program', async () => {
  const old = engineOf(fakeProgram('3.9', 'hangs'))
  expect(await old.detect(never)).toMatchObject({
    available: false,
    version: '3.9',
    reasons: [expect.stringContaining('older than 3.12')],
  })
  const missing = await collect(engineOf('/nonexistent/iperf3').run(flowTo(1), undefined, never))
  expect(missing.result).toMatchObject({ outcome: Outcome.OUTCOME_NOT_RUN })
  expect(missing.result.reason).toContain('not installed')
})

test('a server that listens and then hangs is a fault of the program, not a server without a client', async () => {
  const path = join(folder, 'iperf3-stopped')
  const script = `require('net').createServer().listen(+process.argv[1], '127.0.0.2', () => {
    console.log('Server listening on ' + process.argv[1] + ' (test #1)'); process.kill(process.pid, 'SIGSTOP') })`
  writeFileSync(path, `#!/bin/sh\nexec '${process.execPath}' -e "${script}" "$6"\n`)
  chmodSync(path, 0o755)
  const engine = createIperf3(
    { processes: fastProcesses, clock: fastClock },
    { agentPort: 1, programs: { iperf3: path } },
  )
  const listener = await listenerOn({ idleSeconds: 100 })
  const server = engine.serve(listener, never)
  await server.ready
  const client = connect({ host: '127.0.0.2', port: listener.port })
  client.on('error', () => undefined)
  await once(client, 'connect')
  expect(await server.done).toMatchObject({
    outcome: Outcome.OUTCOME_INVALID,
    programFault: { program: 'iperf3', problem: 'hangs: it does not accept the connection of its client' },
  })
  client.destroy()
})

test.each([
  ['sends (iperf3 -R)', ['-R']],
  ['receives', []],
])('a server of a node with a maximum bitrate ends soon after what it %s is faster', async (_, args) => {
  const engine = createIperf3(
    { processes: realTimeProcesses, clock: systemClock },
    { agentPort: 1, ceilings: { seconds: 20, bitsPerSecond: 1_000_000 } },
  )
  const listener = await listenerOn()
  const server = engine.serve(listener, never)
  await server.ready
  const startedAt = performance.now()
  await execa(programs[0]!, ['-c', listener.address, '-p', String(listener.port), '-t', '8', ...args], {
    reject: false,
  })
  const served = await server.done
  expect(served).toMatchObject({
    outcome: Outcome.OUTCOME_REFUSED,
    reason: 'ended: the client moved more than max_bits_per_second',
  })
  expect(performance.now() - startedAt).toBeLessThan(4000)
})

test('a client that keeps the maximum bitrate is served', async () => {
  const engine = createIperf3(
    { processes: realTimeProcesses, clock: systemClock },
    { agentPort: 1, ceilings: { seconds: 20, bitsPerSecond: 1_000_000 } },
  )
  const listener = await listenerOn()
  const server = engine.serve(listener, never)
  await server.ready
  const options = IperfOptions.fromPartial({
    duration: { seconds: 3 },
    bitsPerSecond: 500_000,
    parallelCount: 2,
  })
  const { result } = await collect(engine.run(flowTo(listener.port), options, never))
  expect(result).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED, reason: '' })
  expect(await server.done).toMatchObject({ outcome: Outcome.OUTCOME_MEASURED })
})
