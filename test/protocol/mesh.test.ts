import { setTimeout as sleep } from 'node:timers/promises'
import { status } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually } from '../testing/eventually.ts'
import { type IndependentClient, openIndependentClient } from '../testing/independent-client.ts'
import { assignment, openMesh, quick, type SeenWindow, targets, timeout } from '../testing/mesh-stream.ts'
import { measuringProgramsOf } from '../testing/process-tree.ts'
import { type ServiceProcess, startAgent } from '../testing/service-process.ts'

let agent: ServiceProcess
let client: IndependentClient

const untilNoPrograms = (pid: number) =>
  eventually(
    () => measuringProgramsOf(pid),
    (found) => found.length === 0,
  )
beforeAll(async () => {
  agent = await startAgent()
  client = openIndependentClient(agent.port)
})
afterEach(() => untilNoPrograms(agent.pid))
afterAll(async () => {
  client.close()
  await agent.stop('SIGTERM')
})

const open = (ids: number[], more: object = {}, options = {}) =>
  openMesh(client, assignment(ids, more), options)

/** Expects that the windows of one target are consecutive, without overlap or gap. */
const expectSeamless = (windows: readonly SeenWindow[], longestGap = 0.001) => {
  expect(windows.length).toBeGreaterThan(1)
  const sorted = windows.toSorted((a, b) => a.start - b.start)
  for (const [index, window] of sorted.entries()) {
    if (index === 0) continue
    expect(window.start - sorted[index - 1]!.end).toBeGreaterThan(-0.001)
    expect(window.start - sorted[index - 1]!.end).toBeLessThan(longestGap)
  }
}

describe('windows', () => {
  test.each(['fping', 'ping', 'tcp'])('with %s', async (engine) => {
    const groups = [
      { ...quick, engine, targets: targets(1, 2).map((each) => ({ ...each, port: agent.port })) },
    ]
    const mesh = open([], { groups })
    await mesh.until(() => mesh.windowsOf(1).length > 2 && mesh.windowsOf(2).length > 2)
    // On a busy machine, the probes of some windows may be withheld, but not of all.
    await mesh.until(() =>
      [1, 2].every((target) =>
        mesh.windowsOf(target).some(({ start, end, sent }) => end - start < 1.5 && sent > 4),
      ),
    )
    await mesh.end()
    expect(mesh.seen.failure).toBeUndefined()
    expect(mesh.seen.engines.map(({ name }) => name)).toEqual([engine])
    for (const target of [1, 2]) {
      const windows = mesh.windowsOf(target)
      expectSeamless(windows)
      for (const { start, end, sent, received, buckets, rttMin, rttMax } of windows.slice(1, 3)) {
        expect(sent).toBeGreaterThan(0)
        expect(sent).toBeLessThan(1.6 * 10 * (end - start))
        // tcp gets refusals except on the agent's own address; a refusal is an answer.
        expect(received).toBe(sent)
        expect(buckets.reduce((sum, count) => sum + count, 0)).toBe(received)
        expect(rttMin).toBeGreaterThan(0)
        expect(rttMax).toBeGreaterThanOrEqual(rttMin)
      }
    }
    const sequences = mesh.seen.batches.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.map((_, index) => index + 1))
  })

  test('without targets the stream stays open and sends empty batches', async () => {
    const mesh = open([])
    await mesh.until(({ batches }) => batches.length >= 2)
    await mesh.end()
    expect(mesh.seen.windows).toEqual([])
  })
})

describe('an assignment that changes', () => {
  test('leaves no gap for the remaining targets when targets are added, removed or probed with other parameters', async () => {
    const mesh = open([1, 2, 3])
    await mesh.until(() => mesh.windowsOf(3).length > 1)
    mesh.assign(assignment([1, 2, 4]))
    await mesh.until(() => mesh.windowsOf(4).length > 1)
    const other = { interval: { nanos: 2e8 }, timeout, targets: targets(1, 2, 4, 5) }
    mesh.assign(assignment([], { groups: [other] }))
    await mesh.until(() => mesh.windowsOf(5).length > 1)
    const ended = mesh.windowsOf(3).length
    await mesh.until(() => mesh.windowsOf(5).length > 3)
    await eventually(
      () => measuringProgramsOf(agent.pid),
      (found) => found.length === 1,
    )
    await mesh.end()
    expect(mesh.windowsOf(3)).toHaveLength(ended)
    for (const target of [1, 2, 4]) {
      const windows = mesh.windowsOf(target)
      expectSeamless(windows)
      for (const { sent, received } of windows) expect(received).toBe(sent)
      // Complete windows have a probe for each interval, except one when the engine changes.
      for (const { start, end, sent } of windows.slice(1, -1)) {
        expect(sent).toBeGreaterThanOrEqual(Math.floor((end - start) / 0.2) - 2)
      }
    }
  })

  test('does not restart unchanged groups', async () => {
    const steady = { ...quick, targets: targets(1) }
    const mesh = open([], { groups: [steady, { ...quick, targets: targets(2) }] })
    await mesh.until(() => mesh.windowsOf(1).length > 0 && mesh.windowsOf(2).length > 0)
    const before = measuringProgramsOf(agent.pid).find(({ command }) => command.includes('127.0.7.1'))!
    mesh.assign(assignment([], { groups: [{ ...quick, targets: targets(3) }, steady] }))
    await mesh.until(() => mesh.windowsOf(3).length > 1)
    expect(measuringProgramsOf(agent.pid).map(({ pid }) => pid)).toContain(before.pid)
    await mesh.end()
  })

  test('applies a burst of updates once', async () => {
    const mesh = open([1])
    await mesh.until(() => mesh.windowsOf(1).length > 0)
    const known = new Set(measuringProgramsOf(agent.pid).map(({ pid }) => pid))
    for (let last = 2; last < 12; last++) mesh.assign(assignment([1, last]))
    const started = new Set<number>()
    await mesh.until(() => {
      for (const { pid, command } of measuringProgramsOf(agent.pid))
        if (!known.has(pid) && command.includes(' -l ')) started.add(pid)
      return mesh.windowsOf(11).length > 0
    })
    expect(started.size).toBe(1)
    await mesh.end()
  })
})

describe('a broken stream', () => {
  test('loses nothing: windows from the time without a stream are delivered once, with their own times', async () => {
    const first = open([1, 2])
    await first.until(() => first.windowsOf(1).length > 1)
    await first.cancel()
    const brokeAt = Date.now() / 1000
    await sleep(3500)
    expect(measuringProgramsOf(agent.pid)).toHaveLength(1)
    const second = open([1, 2])
    await second.until(
      ({ batches }) => batches.length > 0 && second.windowsOf(1).some(({ end }) => end > brokeAt + 4),
    )
    await second.end()
    expect(second.seen.session).toBe(first.seen.session)
    for (const target of [1, 2]) {
      const all = [...first.windowsOf(target), ...second.windowsOf(target)]
      const once = [...new Map(all.map((window) => [window.start, window])).values()]
      expectSeamless(once)
      expect(
        once.filter(({ start, end }) => start > brokeAt - 1 && end < brokeAt + 3.6).length,
      ).toBeGreaterThan(1)
      // Acknowledged batches are not sent again; the last ones before the break may not be acknowledged.
      expect(second.windowsOf(target)[0]!.start).toBeGreaterThan(first.windowsOf(target)[0]!.start)
    }
  })

  test('without acknowledgement all batches are sent again', async () => {
    const first = open([1], {}, { acknowledges: false })
    await first.until(() => first.windowsOf(1).length > 2)
    await first.cancel()
    const second = open([1])
    await second.until(() => second.windowsOf(1).length >= first.windowsOf(1).length)
    await second.end()
    const starts = (windows: SeenWindow[]) => windows.map(({ start }) => start)
    expect(starts(second.windowsOf(1)).slice(0, first.windowsOf(1).length)).toEqual(
      starts(first.windowsOf(1)),
    )
    expect(second.seen.batches[0]!.sequence).toBe(1)
  })

  test('ends probing after its outlive time, or immediately when that is 0', async () => {
    for (const outlive of [{ seconds: 1 }, {}]) {
      const mesh = open([1], { outlive })
      await mesh.until(() => mesh.windowsOf(1).length > 0)
      await mesh.cancel()
      await untilNoPrograms(agent.pid)
    }
  })

  test('another stream of the same owner takes over immediately', async () => {
    const first = open([1])
    await first.until(() => first.windowsOf(1).length > 0)
    const second = open([1])
    await first.done
    expect(first.seen.failure).toMatchObject({
      code: status.ABORTED,
      details: expect.stringContaining('newer stream'),
    })
    await second.until(() => second.windowsOf(1).length > 1)
    expect(second.seen.session).toBe(first.seen.session)
    await second.end()
    expect(second.seen.failure).toBeUndefined()
  })
})

describe('owners', () => {
  test('a second owner is refused while the first is connected, and takes over afterwards', async () => {
    const first = open([1])
    await first.until(() => first.windowsOf(1).length > 0)
    const refused = open([2], { owner: 'collector-2' })
    await refused.done
    expect(refused.seen.failure).toMatchObject({
      code: status.ABORTED,
      details: expect.stringContaining('collector-1'),
    })
    await first.cancel()
    // The agent detects the break a moment later.
    let second = open([2], { owner: 'collector-2' })
    await second.until(({ ended, session }) => ended || session !== '')
    while (second.seen.ended) {
      second = open([2], { owner: 'collector-2' })
      await second.until(({ ended, session }) => ended || session !== '')
    }
    await second.until(() => second.windowsOf(2).length > 0)
    expect(second.seen.session).not.toBe(first.seen.session)
    expect(second.windowsOf(1)).toEqual([])
    expect(measuringProgramsOf(agent.pid)).toHaveLength(1)
    await second.end()
  })
})

describe('violations of an assignment', () => {
  test('are reported together', async () => {
    const mesh = openMesh(client, {
      owner: '',
      window: { nanos: 1e8 },
      outlive: { seconds: 4000 },
      groups: [
        {
          interface: 'eth99',
          interval: { nanos: 1e6 },
          targets: [
            { id: 1, address: 'a.example' },
            { id: 1, address: '127.0.0.1' },
          ],
        },
        { engine: 'smoke', timeout: { seconds: 30 }, targets: targets(2) },
      ],
    })
    await mesh.done
    expect(mesh.seen.failure!.code).toBe(status.INVALID_ARGUMENT)
    for (const place of [
      'assignment.owner',
      'assignment.window',
      'assignment.outlive',
      'groups[0].interface: "eth99"',
      'groups[0].interval',
      'groups[0].targets[0].address',
      'groups[0].targets[1].id',
      'groups[1].engine: "smoke"',
      'groups[1].timeout',
    ]) {
      expect(mesh.seen.failure!.details).toContain(place)
    }
  })

  test('refuses too many targets', async () => {
    const many = Array.from({ length: 5000 }, (_, id) => ({ id, address: `127.1.${id >> 8}.${id & 255}` }))
    const tooMany = openMesh(client, assignment([], { groups: [{ targets: many }] }))
    await tooMany.done
    expect(tooMany.seen.failure!.code).toBe(status.RESOURCE_EXHAUSTED)
  })

  test('in an update end the stream, and the old assignment continues for its outlive time', async () => {
    const mesh = open([1], { outlive: { seconds: 2 } })
    await mesh.until(() => mesh.windowsOf(1).length > 0)
    mesh.assign(assignment([1, 1]))
    await mesh.done
    expect(mesh.seen.failure!.code).toBe(status.INVALID_ARGUMENT)
    expect(measuringProgramsOf(agent.pid)).toHaveLength(1)
    await untilNoPrograms(agent.pid)
  })

  test('a stream must begin with an assignment', async () => {
    const stream = client.duplex('meshgauge.agent.v1.PingService', 'PingMesh')
    stream.write({ acknowledgement: { session: 'x', sequence: 1 } })
    const failure = await (async () => {
      for await (const _ of stream);
    })().catch((error) => error)
    expect(failure.code).toBe(status.INVALID_ARGUMENT)
  })
})
