import { isDeepStrictEqual } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type MeshEvent, PathState } from '#proto/meshgauge/collector/v1/mesh.ts'
import { fromTimestamp } from '../../lib/protobuf-time.ts'
import { type Harness, inWorld } from './harness.ts'

const {
  PATH_STATE_UP: UP,
  PATH_STATE_LOSSY: LOSSY,
  PATH_STATE_DOWN: DOWN,
  PATH_STATE_STALE: STALE,
} = PathState

/** One probe a second, for any number of peers. */
const EACH_SECOND = { intervalSeconds: 1 }
/** Where the length of windows is not what a test is about. */
const SHORT = { ...EACH_SECOND, windowSeconds: 3 }
const LOST = { sendLossRatio: 1, receiveLossRatio: 1 }

const allUp = ({ mesh, agents }: Harness) => mesh().upCount === agents.length * (agents.length - 1)
/** Starts when everything is measured, and forgets how it came to that. */
const settled = async (harness: Harness): Promise<void> => {
  await harness.until('all paths are up', () => allUp(harness), 600)
  harness.events.length = 0
}
const touches = (event: MeshEvent, node: string) =>
  event.source?.node === node || event.destination?.node === node
const named = ({ verdicts }: Harness) =>
  verdicts().map(({ node, peer, interface: name }) => [node, peer, name])
const wallSeconds = ({ collector }: Harness): number => collector.clock().now().getTime() / 1000
const timeOf = (event: MeshEvent): number => fromTimestamp(event.time)!.getTime() / 1000
const metricsOf = ({ collector }: Harness): Promise<string> => collector.parts().metrics.registry.metrics()

/** Raw windows of a path, oldest first. */
const windowsOf = ({ collector }: Harness, source: string, destination: string, fromSeconds: number) => {
  const { store } = collector.parts()
  const [id] = [...store.paths()].find(([, key]) => key.source === source && key.destination === destination)!
  return store.history(id, fromSeconds * 1000, 4e12, 1).windows
}

/** Events of one path. What is lost on the way from a to b is lost to probes of b as well: their answers go that way. */
const ofPath = (events: readonly MeshEvent[], from: string, to: string) =>
  events.filter(({ source, destination }) => source?.node === from && destination?.node === to)

/** Windows follow each other: none is missing, and none is there twice. */
const expectNoGap = (windows: ReturnType<typeof windowsOf>): void => {
  expect(windows.length).toBeGreaterThan(2)
  for (const [index, { startMs }] of windows.entries()) {
    if (index > 0) expect(Math.abs(startMs - windows[index - 1]!.endMs)).toBeLessThanOrEqual(60)
  }
}

describe('a mesh of 60 agents', () => {
  test('a cut interface is seen on each of its paths and named, until it is healed', () =>
    inWorld({ nodes: 60, mesh: EACH_SECOND }, async (harness) => {
      const { events, fabric, until, verdicts } = harness
      await settled(harness)
      expect(verdicts()).toEqual([])
      const cut = wallSeconds(harness)
      fabric.setFault({ node: 7, interface: 0 }, LOST)
      await until('118 paths are down', () => events.filter(({ state }) => state === DOWN).length === 118)
      for (const event of events) {
        expect([event.before, event.state, touches(event, 's7')]).toEqual([UP, DOWN, true])
        expect(timeOf(event)).toBeGreaterThanOrEqual(cut - 0.1)
      }
      await until('it is named', () => isDeepStrictEqual(named(harness), [['s7', '', 'net0']]))
      await harness.clock.sleep(30)
      const shown = await metricsOf(harness)
      expect(shown).toMatch(/^meshgauge_verdicts\{test="mesh",kind="interface",node="s7"/m)
      expect(shown).toMatch(/^meshgauge_mesh_pair_loss_ratio\{source="s1",destination="s7",\S+ (0\.\d+|1)$/m)
      expect(shown.match(/^meshgauge_mesh_pair_loss_ratio\{/gm)).toHaveLength(60 * 59)
      expect(shown).toMatch(/^meshgauge_mesh_pair_loss_ratio\{source="s1",destination="s2",\S+ 0$/m)
      fabric.setFault({ node: 7, interface: 0 }, undefined)
      await until('all is up', () => allUp(harness))
      await until('no verdict', () => verdicts().length === 0)
      await until('each path has had its two events', () => events.length >= 236)
      expect(events).toHaveLength(236)
    }))

  test('loss one way, a slow node and a flapping path are named, and nothing else is', () =>
    inWorld({ nodes: 60, mesh: EACH_SECOND }, async (harness) => {
      const { events, fabric, until, clock } = harness
      await settled(harness)
      fabric.setFault({ node: 9, interface: 0 }, { receiveLossRatio: 0.2 })
      await until('only the node that loses is named', () =>
        isDeepStrictEqual(
          named(harness).map(([node]) => node),
          ['s9'],
        ),
      )
      for (const event of events) expect(touches(event, 's9')).toBe(true)
      expect(events.some(({ state }) => state === LOSSY)).toBe(true)
      fabric.setFault({ node: 9, interface: 0 }, undefined)

      fabric.setFault({ node: 11, interface: 0 }, { delaySeconds: 0.02 })
      await until('a slow node is named', () => named(harness).some(([node]) => node === 's11'), 600)
      fabric.setFault({ node: 11, interface: 0 }, undefined)

      events.length = 0
      for (let round = 0; round < 8; round++) {
        fabric.setCut(0, 1, 2, true)
        await clock.sleep(4)
        fabric.setCut(0, 1, 2, false)
        await clock.sleep(4)
      }
      const flaps = ofPath(events, 's1', 's2')
      expect(flaps.length).toBeGreaterThan(0)
      expect(flaps.length).toBeLessThanOrEqual(8)
    }))
})

describe('agents and collectors that come and go', () => {
  test('an agent that is killed: its node is silent but reached, then down; one verdict', () =>
    inWorld({ nodes: 12, mesh: SHORT }, async (harness) => {
      const { agents, events, fabric, mesh, until, verdicts } = harness
      await settled(harness)
      agents[5]!.kill()
      await until('its paths are stale', () => mesh().staleCount === 11)
      await until('it is reported', () => events.length > 0)
      expect(events.map(({ source, destination, state }) => [source!.node, destination, state])).toEqual([
        ['s5', undefined, STALE],
      ])
      expect(verdicts()).toEqual([])
      expect(mesh().problems).toEqual([expect.stringMatching(/^s5 does not deliver: /)])
      fabric.setFault({ node: 5, interface: 0 }, LOST)
      const message = 's5 is down: its agent is silent and none of its 11 peers reaches it.'
      await until('it is named', () =>
        isDeepStrictEqual(
          verdicts().map((verdict) => [verdict.kind, verdict.node, verdict.message]),
          [['node', 's5', message]],
        ),
      )
      fabric.setFault({ node: 5, interface: 0 }, undefined)
      agents[5]!.start()
      await until('all is up', () => allUp(harness))
      const returns = () => events.filter(({ state, destination }) => state === UP && !destination)
      await until('its return is reported', () => returns().length > 0)
      expect(returns()).toHaveLength(1)
    }))

  test('an agent that is cut off continues to measure: there is no gap, and its events have the times of the measurement', () =>
    inWorld({ nodes: 6, mesh: SHORT }, async (harness) => {
      const { agents, events, fabric, mesh, until, clock } = harness
      await settled(harness)
      agents[2]!.link.cut()
      await until('its paths are stale', () => mesh().staleCount === 5)
      const cut = wallSeconds(harness)
      fabric.setCut(0, 2, 4, true)
      await clock.sleep(10)
      const healed = wallSeconds(harness)
      fabric.setCut(0, 2, 4, false)
      await clock.sleep(10)
      expect(ofPath(events, 's2', 's4')).toEqual([])
      const paths = events.filter(({ destination }) => destination)
      for (const event of paths) expect([event.source!.node, event.destination!.node]).toEqual(['s4', 's2'])
      agents[2]!.link.heal()
      await until('all is up', () => allUp(harness))
      await until('the events came', () => ofPath(events, 's2', 's4').length === 2)
      const [down, up] = ofPath(events, 's2', 's4')
      expect([down!.state, up!.state]).toEqual([DOWN, UP])
      expect(timeOf(down!)).toBeLessThan(healed)
      expect(fromTimestamp(down!.seenTime)!.getTime() / 1000 - healed).toBeGreaterThanOrEqual(10)
      await clock.sleep(3)
      expectNoGap(windowsOf(harness, 's2', 's4', cut - 5))
      expectNoGap(windowsOf(harness, 's2', 's3', cut - 5))
    }))

  test('a collector that is restarted gets what was measured during that time, once, and knows what was bad', () =>
    inWorld({ nodes: 6, mesh: SHORT }, async (harness) => {
      const { collector, events, fabric, until, clock, startCollector } = harness
      await settled(harness)
      const from = wallSeconds(harness)
      fabric.setCut(0, 1, 3, true)
      await until('it is down', () => events.some(({ state }) => state === DOWN))
      await collector.shutDown()
      await clock.sleep(5)
      fabric.setCut(0, 1, 3, false)
      await clock.sleep(10)
      startCollector()
      await until('all is up', () => allUp(harness))
      const listed = () => {
        const range = { fromMs: 0, toMs: 4e12 }
        const { events: all } = collector.parts().store.meshEvents(range, { size: 100, token: '' })
        return ofPath(all, 's1', 's3')
      }
      await until('it is stored', () => listed().length === 2)
      // Newest first: the end of what the collector before had seen.
      expect(listed().map(({ before, state }) => [before, state])).toEqual([
        [DOWN, UP],
        [UP, DOWN],
      ])
      await clock.sleep(5)
      expectNoGap(windowsOf(harness, 's1', 's3', from))
      expectNoGap(windowsOf(harness, 's4', 's5', from))
    }))

  test('a wall clock of the collector that is set an hour ahead moves the windows, and changes no state', () =>
    inWorld({ nodes: 4, mesh: SHORT }, async (harness) => {
      const { collector, events, until } = harness
      await settled(harness)
      collector.step(3600)
      const stepped = wallSeconds(harness)
      const last = () => (windowsOf(harness, 's0', 's1', stepped - 60).at(-1)?.endMs ?? 0) / 1000
      await until('windows continue in the new time', () => last() > stepped)
      expect(last()).toBeLessThanOrEqual(wallSeconds(harness))
      await until('all is up', () => allUp(harness))
      expect(events).toEqual([])
    }))
})
