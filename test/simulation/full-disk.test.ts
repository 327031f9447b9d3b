import { describe, expect, test } from 'vitest'
import { RunState } from '#proto/meshgauge/collector/v1/run.ts'
import { OperatingError } from '../../lib/errors.ts'
import { type Harness, inWorld, iperfMesh } from './harness.ts'

const testsUnderWay = ({ agents }: Harness): boolean =>
  agents.some(({ running }) => [...running].some(({ call }) => call?.path === 'IperfService/Run'))

/** What /healthz shows. */
const problems = ({ collector }: Harness): string[] => {
  const { runs, meshes } = collector.parts()
  return [...runs.storeProblems(), ...meshes.problems()]
}

describe('a disk that is full during a run', () => {
  test('results wait and are stored when there is space; until then the collector states the reason', () =>
    inWorld({ nodes: 12, mesh: false }, async (harness) => {
      const { disk, until, results } = harness
      const running = harness.run(iperfMesh)
      await until('tests run', () => testsUnderWay(harness))
      disk.fail('full')
      await until('it is shown', () => problems(harness).some((text) => /disk is full/.test(text)))
      disk.fail(undefined)
      const { run } = await running
      expect(run.state).toBe(RunState.RUN_STATE_COMPLETED)
      expect(results(run).length).toBe(132)
      expect(problems(harness)).toEqual([])
    }))

  test('when it stays full the run ends all the same, and is stored completely when there is space', () =>
    inWorld({ nodes: 8, mesh: false }, async (harness) => {
      const { disk, clock, collector, results } = harness
      const running = harness.run(iperfMesh)
      await harness.until('tests run', () => testsUnderWay(harness))
      disk.fail('full')
      const { run, watched } = await running
      expect(run.state).toBe(RunState.RUN_STATE_COMPLETED)
      const pairs = watched.map(({ source, destination }) => `${source!.node} ${destination!.node}`)
      expect(new Set(pairs).size).toBe(56)
      const { runs } = collector.parts()
      expect(runs.get(run.id).state).toBe(RunState.RUN_STATE_COMPLETED)
      expect(() => runs.cancel(run.id)).toThrow('has ended already')
      await clock.sleep(60)
      expect(problems(harness).join()).toMatch(/disk is full/)
      disk.fail(undefined)
      await clock.sleep(2)
      expect(problems(harness)).toEqual([])
      expect(results(run).length).toBe(56)
      expect(runs.get(run.id).judgement).toEqual(run.judgement)
    }))

  test('a run that waits for interfaces while the disk is full can be cancelled', () =>
    inWorld({ nodes: 4, mesh: false }, async (harness) => {
      const { disk, collector } = harness
      const first = harness.run(iperfMesh)
      await harness.until('tests run', () => testsUnderWay(harness))
      const second = harness.run(iperfMesh)
      const { runs } = collector.parts()
      const waiting = () =>
        runs.list({ size: 10, token: '' }).runs.find(({ state }) => state === RunState.RUN_STATE_PENDING)
      await harness.until('it waits', () => waiting() !== undefined)
      disk.fail('full')
      runs.cancel(waiting()!.id)
      expect((await second).run.state).toBe(RunState.RUN_STATE_CANCELLED)
      expect((await first).run.state).toBe(RunState.RUN_STATE_COMPLETED)
      disk.fail(undefined)
    }))

  test('a run that cannot be stored at its start is refused, and nothing starts', () =>
    inWorld({ nodes: 4, mesh: false }, async (harness) => {
      harness.disk.fail('full')
      const refusal = await harness.run(iperfMesh).catch((error: unknown) => error)
      expect(refusal).toBeInstanceOf(OperatingError)
      expect((refusal as OperatingError).message).toMatch(/disk is full/)
      await harness.clock.sleep(5)
      expect(testsUnderWay(harness)).toBe(false)
    }))
})
