import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type MeshEvent, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { CulpritKind } from '#proto/meshgauge/collector/v1/result.ts'
import { fromTimestamp, toTimestamp } from '../../lib/protobuf-time.ts'
import { delayOf, type MeshSimulation, nowSeconds, startMeshSimulation } from './mesh-simulation.ts'

const {
  PATH_STATE_UP: UP,
  PATH_STATE_LOSSY: LOSSY,
  PATH_STATE_DOWN: DOWN,
  PATH_STATE_STALE: STALE,
} = PathState

let simulation: MeshSimulation
let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'meshgauge-mesh-'))
})
afterEach(async () => {
  await simulation?.close()
  rmSync(folder, { recursive: true, force: true })
})

const start = async (...given: Parameters<typeof startMeshSimulation>) => {
  simulation = await startMeshSimulation(...given)
  const [count] = given
  await simulation.until(
    'all paths are up',
    async () => (await simulation.mesh()).upCount === count * (count - 1),
    600,
  )
  simulation.events.length = 0
  return simulation
}
/** Where the length of windows is not what a test is about. */
const SHORT = { spec: { window: { seconds: 3, nanos: 0 } } }
const allUp = (count: number) => async () => (await simulation.mesh()).upCount === count * (count - 1)
const touches = (event: MeshEvent, node: string) =>
  event.source?.node === node || event.destination?.node === node
/** Who is named at first may be so beside others, until all that is known has been looked at. */
const named = async () =>
  (await simulation.verdicts()).map(({ node, peer, interface: name }) => [node, peer, name])

describe('a mesh of 60 agents', () => {
  test('a cut, loss one way, a slow node and a flapping path: each is seen, named, and over again', async () => {
    const { events, setFault, until } = await start(60, { factor: 3 })
    expect(events).toEqual([])
    expect(await simulation.verdicts()).toEqual([])

    const cut = nowSeconds(simulation)
    setFault((from, to) => (from === 7 || to === 7 ? 'lost' : undefined))
    await until('118 paths are down', () => events.filter(({ state }) => state === DOWN).length === 118)
    for (const event of events) {
      expect([event.before, event.state, touches(event, 's7')]).toEqual([UP, DOWN, true])
      expect(fromTimestamp(event.time)!.getTime() / 1000).toBeGreaterThanOrEqual(cut - 0.1)
    }
    await until('it is named', async () => isDeepStrictEqual(await named(), [['s7', '', 'net0']]))
    const known = [
      /^meshgauge_verdicts\{test="mesh",kind="interface",node="s7"/m,
      /^meshgauge_mesh_pair_loss_ratio\{source="s1",destination="s7",\S+ (0\.\d+|1)$/m,
    ]
    let shown = ''
    await until('it is in the metrics', async () => {
      shown = await simulation.metrics()
      return known.every((line) => line.test(shown))
    })
    expect(shown.match(/^meshgauge_mesh_pair_loss_ratio\{/gm)).toHaveLength(60 * 59)
    expect(shown).toMatch(/^meshgauge_mesh_pair_loss_ratio\{source="s1",destination="s2",\S+ 0$/m)
    setFault(() => undefined)
    await until('all is up', allUp(60))
    await until('no verdict', async () => (await simulation.verdicts()).length === 0)
    await until('each path has had its two events', () => events.length >= 236)
    expect(events).toHaveLength(236)

    events.length = 0
    setFault((from, to, _, at) => (to === 9 && (from * 7 + Math.round(at)) % 5 === 0 ? 'lost' : undefined))
    await until('a node that loses is named, and nobody else', async () =>
      isDeepStrictEqual(
        (await named()).map(([node]) => node),
        ['s9'],
      ),
    )
    expect(new Set(events.map(({ state }) => state))).toEqual(new Set([LOSSY]))
    for (const event of events) expect(touches(event, 's9')).toBe(true)

    setFault((from, to) => (from === 11 || to === 11 ? 0.02 : undefined))
    await until('a slow node is named', async () => (await named()).some(([node]) => node === 's11'), 600)

    events.length = 0
    setFault((from, to, _, at) =>
      from === 1 && to === 2 && Math.floor(at / 4) % 2 === 0 ? 'lost' : undefined,
    )
    await simulation.clock.sleep(60)
    const flaps = events.filter(
      ({ source, destination }) => source?.node === 's1' && destination?.node === 's2',
    )
    expect(flaps.length).toBeGreaterThan(0)
    expect(flaps.length).toBeLessThanOrEqual(8)
  })
})

describe('agents and collectors that come and go', () => {
  test('an agent that is killed: its node is silent but reached, then down; one verdict', async () => {
    const { agents, events, until, setFault } = await start(12, SHORT)
    await agents[5]!.kill()
    await until('its paths are stale', async () => (await simulation.mesh()).staleCount === 11)
    await until('it is told', () => events.length > 0)
    expect(events.map(({ source, destination, state }) => [source!.node, destination, state])).toEqual([
      ['s5', undefined, STALE],
    ])
    expect(await simulation.verdicts()).toEqual([])
    expect((await simulation.mesh()).problems).toEqual([expect.stringMatching(/^s5 does not deliver: /)])
    setFault((from, to) => (from === 5 || to === 5 ? 'lost' : undefined))
    const asked = async () =>
      (await simulation.verdicts()).map(({ kind, node, message }) => [kind, node, message])
    const message = 's5 is down: its agent is silent and none of its 11 peers reaches it.'
    await until('it is named', async () =>
      isDeepStrictEqual(await asked(), [[CulpritKind.CULPRIT_KIND_NODE, 's5', message]]),
    )
    setFault(() => undefined)
    await agents[5]!.restore()
    await until('all is up', allUp(12))
    const returns = () => events.filter(({ state, destination }) => state === UP && !destination)
    await until('its return is told', () => returns().length > 0)
    expect(returns()).toHaveLength(1)
  })

  test('an agent that is cut off measures on: no gap, and its events have the time they happened at', async () => {
    const { agents, events, until, setFault, client, clock } = await start(6, SHORT)
    await agents[2]!.cutOff()
    await until('its paths are stale', async () => (await simulation.mesh()).staleCount === 5)
    const cut = nowSeconds(simulation)
    setFault((from, to) => (from === 2 && to === 4 ? 'lost' : undefined))
    await clock.sleep(10)
    const healed = nowSeconds(simulation)
    setFault(() => undefined)
    await clock.sleep(10)
    expect(events.some(({ state }) => state === DOWN)).toBe(false)
    await agents[2]!.restore()
    await until('all is up', allUp(6))
    await until('the events came', () => events.filter(({ destination }) => destination).length === 2)
    const [down, up] = events.filter(({ destination }) => destination)
    expect([down!.state, up!.state]).toEqual([DOWN, UP])
    expect(fromTimestamp(down!.time)!.getTime() / 1000).toBeLessThan(healed)
    expect(delayOf(down!, healed)).toBeGreaterThanOrEqual(10)
    await clock.sleep(3)
    expectNoGap(await client().getPathHistory(since('s2', 's4', cut - 5)))
    expectNoGap(await client().getPathHistory(since('s2', 's3', cut - 5)))
  })

  test('a collector that is restarted gets what was measured meanwhile, once, and knows what was bad', async () => {
    const { events, until, setFault, clock } = await start(6, { ...SHORT, store: join(folder, 'store.db') })
    const from = nowSeconds(simulation)
    setFault((source, destination) => (source === 1 && destination === 3 ? 'lost' : undefined))
    await until('it is down', () => events.some(({ state }) => state === DOWN))
    await simulation.stopCollector()
    await clock.sleep(5)
    setFault(() => undefined)
    await clock.sleep(10)
    await simulation.startCollector()
    await until('all is up', allUp(6))
    await until('it is stored', async () => (await listed()).length === 2)
    // Newest first: the end of what the collector before had seen.
    expect((await listed()).map(({ before, state }) => [before, state])).toEqual([
      [DOWN, UP],
      [UP, DOWN],
    ])
    await clock.sleep(5)
    expectNoGap(await simulation.client().getPathHistory(since('s1', 's3', from)))
    expectNoGap(await simulation.client().getPathHistory(since('s4', 's5', from)))
  })

  test('a clock of the collector that is set an hour on moves the windows, and breaks nothing', async () => {
    const { clock, until, events } = await start(4, SHORT)
    clock.step(3600)
    const stepped = nowSeconds(simulation)
    await until('windows go on in the new time', async () => {
      const history = await simulation.client().getPathHistory(since('s0', 's1', stepped - 60))
      const last = history.windows.at(-1)
      return last !== undefined && fromTimestamp(last.endTime!).getTime() / 1000 > stepped
    })
    const history = await simulation.client().getPathHistory(since('s0', 's1', stepped - 60))
    const last = fromTimestamp(history.windows.at(-1)!.endTime!).getTime() / 1000
    expect(last).toBeLessThanOrEqual(nowSeconds(simulation))
    await until('all is up', allUp(4))
    expect(events).toEqual([])
  })
})

const listed = async () => {
  const { events } = await simulation.client().listMeshEvents({})
  return events.filter(({ destination }) => destination)
}
const since = (source: string, destination: string, fromSeconds: number) => ({
  source,
  destination,
  startTime: toTimestamp(new Date(fromSeconds * 1000)),
})

type History = Awaited<ReturnType<ReturnType<MeshSimulation['client']>['getPathHistory']>>

/** Windows follow each other: none is missing, and none is there twice. */
const expectNoGap = ({ windows }: History): void => {
  expect(windows.length).toBeGreaterThan(2)
  for (const [index, { startTime }] of windows.entries()) {
    if (index === 0) continue
    const before = fromTimestamp(windows[index - 1]!.endTime!).getTime()
    expect(Math.abs(fromTimestamp(startTime!).getTime() - before)).toBeLessThanOrEqual(60)
  }
}
