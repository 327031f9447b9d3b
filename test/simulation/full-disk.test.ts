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

  test('when it stays full the run fails with the reason, and a watcher still gets every result', () =>
    inWorld({ nodes: 8, mesh: false }, async (harness) => {
      const running = harness.run(iperfMesh)
      await harness.until('tests run', () => testsUnderWay(harness))
      harness.disk.fail('full')
      const { run, watched } = await running
      expect(run.state).toBe(RunState.RUN_STATE_FAILED)
      expect(run.stateReason).toMatch(/disk is full/)
      const pairs = watched.map(({ source, destination }) => `${source!.node} ${destination!.node}`)
      expect(new Set(pairs).size).toBe(56)
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
