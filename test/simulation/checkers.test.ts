import { describe, expect, test, vi } from 'vitest'
import { AgentServiceDefinition } from '#proto/meshgauge/agent/v1/agent.ts'
import { Outcome } from '#proto/meshgauge/agent/v1/types.ts'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { createVerdict, type Verdict } from '../../collector/diagnosis/verdict.ts'
import type { PairResult } from '../../collector/dispatch/pair-result.ts'
import type { Run } from '../../collector/store/run.ts'
import type { Store } from '../../collector/store/store.ts'
import type { Window } from '../../collector/store/windows.ts'
import { OperatingError } from '../../lib/errors.ts'
import type { InjectedFault } from './checkers/run-verdicts.ts'
import { createVerdictChecker } from './checkers/verdicts.ts'
import { harmless } from './faults/fault.ts'
import { type SimulationOptions, simulate } from './simulate.ts'
import type { World } from './world/world.ts'

/** What the checkers say of a simulation in which something is broken on purpose. */
const violationsOf = async (
  sabotage: NonNullable<SimulationOptions['sabotage']>,
  { nodes = 8, seconds = 250 }: { nodes?: number; seconds?: number } = {},
): Promise<string[]> => {
  const { violations } = await simulate({ seed: 1, nodes, seconds, sabotage })
  return violations.map(({ checker, text }) => `${checker}: ${text}`)
}

/** A store that changes each 50th batch of windows on its way. */
const changingWindows =
  (change: (windows: readonly Window[]) => readonly Window[]) =>
  (store: Store): Store => {
    let batches = 0
    return {
      ...store,
      windowBatch: () => {
        const batch = store.windowBatch()
        const add = (windows: readonly Window[]) =>
          batch.add(++batches % 50 === 0 ? change(windows) : windows)
        return { ...batch, add }
      },
    }
  }

describe('each checker finds the bug that it looks for', () => {
  test('a store that loses a window', async () => {
    const found = await violationsOf({ wrapStore: changingWindows((windows) => windows.slice(1)) })
    expect(found).toContainEqual(
      expect.stringMatching(/^accounting: path \d+: the store has \d+ probes of \d+ that it acknowledged/),
    )
  })

  test('a store that counts a window twice', async () => {
    const twice = (windows: readonly Window[]) => [
      ...windows,
      ...windows.slice(0, 1).map((window) => ({ ...window, startMs: window.startMs + 1 })),
    ]
    const found = await violationsOf({ wrapStore: changingWindows(twice) })
    expect(found).toContainEqual(
      expect.stringMatching(/^accounting: path \d+: the store has \d+ probes, and at most/),
    )
  })

  test('a store that loses a result of a run', async () => {
    const wrapStore = (store: Store): Store => ({
      ...store,
      putResults: (run, results) => store.putResults(run, results.slice(1)),
    })
    expect(await violationsOf({ wrapStore })).toContainEqual(
      expect.stringMatching(/^results: a run of \d+ pairs .* has only/),
    )
  })

  test('a schedule that starts runs at other times than its own', async () => {
    const run = ({ clock, collector }: World) => {
      const trigger = async () => {
        for (;;) {
          await clock.sleep(5)
          if (!collector.isRunning()) continue
          const { schedules } = collector.parts()
          // Before its creation, and during a run, there is nothing to start.
          const started = (async () => schedules.trigger('scheduled'))()
          await started.catch(() => undefined)
        }
      }
      void trigger()
    }
    expect(await violationsOf({ run })).toContainEqual(
      expect.stringMatching(/^schedules: the schedule has started \d+ runs instead of/),
    )
  })

  test('programs that an agent does not end with their stream', async () => {
    const found = await violationsOf({ ignoresEnd: (file) => file === 'iperf3' })
    expect(found).toContainEqual(expect.stringMatching(/^leases: s\d+ (still )?runs "?iperf3/))
  })

  test('a verdict that accuses a healthy node', async () => {
    const wrong = createVerdict({
      kind: 'node',
      node: 's5',
      message: 's5 is bad.',
    })
    const verdicts = (real: readonly Verdict[], { time }: World) =>
      time.seconds() > 30 && time.seconds() < 50 ? [...real, wrong] : real
    expect(await violationsOf({ verdicts })).toContainEqual(
      expect.stringMatching(/^verdicts: a healthy part is accused: s5 is bad\./),
    )
  })

  test('a fault that no verdict names', async () => {
    const found = await violationsOf({ verdicts: () => [] }, { nodes: 12, seconds: 400 })
    expect(found).toContainEqual(expect.stringMatching(/^verdicts: not named within \d+ s: /))
  })

  test('a run that does not name a node with a fault', () => {
    const nodes = [0, 1, 2, 3, 4, 5]
    const fault: InjectedFault = {
      ...harmless([3], vi.fn(), vi.fn()),
      ...{ kind: 'an interface passes nothing', accusable: 'always', namedByRuns: ['ping'] },
      ...{ beginSeconds: 10, endSeconds: undefined },
    }
    const world = { agents: nodes } as unknown as World
    const options = { rackSize: 8, everySeconds: 1, verdicts: () => [] }
    const { checkRun, namedByRunsCount } = createVerdictChecker(world, [fault], options)
    const results = nodes.flatMap((from) =>
      nodes
        .filter((to) => to !== from)
        .map((to) => ({
          source: { node: `s${from}` },
          destination: { node: `s${to}` },
          outcome: [from, to].includes(3) ? Outcome.OUTCOME_UNREACHABLE : Outcome.OUTCOME_MEASURED,
        })),
    ) as PairResult[]
    const check = (verdicts: Verdict[], startSeconds: number, measured = results) => {
      const spec = { test: { kind: 'ping' } }
      const run = { state: RunState.RUN_STATE_COMPLETED, spec, verdicts } as unknown as Run
      return checkRun(run, measured, startSeconds)
    }
    const named = createVerdict({ kind: 'interface', node: 's3', message: '' })
    expect(check([], 20)).toEqual([
      expect.stringMatching(/^a run of ping with 5 sound nodes does not name s3/),
    ])
    expect([check([named], 20), namedByRunsCount()]).toEqual([[], 1])
    // The fault began during the run, or the run did not measure the node.
    expect(check([], 5)).toEqual([])
    const isOther = ({ source, destination }: PairResult) => ![source.node, destination.node].includes('s3')
    expect(check([], 20, results.filter(isOther))).toEqual([])
  })

  test('an agent that the collector does not reach again', async () => {
    const run = ({ clock, agents }: World) => {
      const cut = async () => {
        // After the last fault.
        await clock.sleep(240)
        agents[5]!.link.cut()
      }
      void cut()
    }
    expect(await violationsOf({ run })).toContainEqual(
      expect.stringMatching(
        /^recovery: not all paths are up 900 s after the last fault: s5 does not deliver/,
      ),
    )
  })

  test('an RPC that fails because of a bug', async () => {
    const run = ({ agents }: World) => {
      const { services } = agents[3]!.process()!
      const service = services.find(({ definition }) => definition === AgentServiceDefinition)
      Object.assign(service!.implementation, {
        describe: async () => {
          throw new TypeError('cannot read a property of undefined')
        },
      })
    }
    expect(await violationsOf({ run })).toContainEqual(
      expect.stringMatching(/^bugs: an RPC failed because of a bug: TypeError: cannot read a property/),
    )
  })

  test('a queue that never drains', async () => {
    const wrapStore = (store: Store): Store => ({
      ...store,
      windowBatch: () => ({
        ...store.windowBatch(),
        put: () => {
          throw new OperatingError('STORE_UNAVAILABLE', 'not today')
        },
      }),
    })
    expect(await violationsOf({ wrapStore })).toContainEqual(
      expect.stringMatching(/^memory: windows that wait although the store works: \d+/),
    )
  })

  test('memory that is never given back', async () => {
    const kept: number[][] = []
    const run = ({ clock, time }: World) => {
      const leak = async () => {
        for (;;) {
          await clock.sleep(1)
          if (time.seconds() > 130) kept.push(Array.from({ length: 120_000 }, Math.random))
        }
      }
      void leak()
    }
    expect(await violationsOf({ run })).toContainEqual(expect.stringMatching(/^memory: the heap grew from/))
    expect(kept.length).toBeGreaterThan(0)
  })
})
