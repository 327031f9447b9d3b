import { expect, test } from 'vitest'
import { worstStatus } from './check.ts'
import { CHECKS } from './checks.ts'
import { ERROR, FAIL, PASS, SKIPPED, WARN } from './findings.ts'
import { useMachines } from './testing/use-machines.ts'

const { depsOf, machineOf } = useMachines()

test('pvc and iperf report where they run', async () => {
  const deps = depsOf(machineOf())
  const reasons = (name: string) =>
    CHECKS.find((check) => check.name === name)!.requirements(deps, new AbortController().signal)
  expect(await reasons('pvc')).toEqual(['no Kubernetes'])
  expect((await reasons('iperf'))[0]).toMatch(/run it on the collector with "meshgauge check iperf"/)
})

test('the registry is in alphabetical order, and every budget is positive', () => {
  const names = CHECKS.map(({ name }) => name)
  expect(names).toEqual(names.toSorted())
  for (const check of CHECKS) expect(check.budgetSeconds).toBeGreaterThan(0)
  const worst = (...statuses: number[]) => worstStatus(statuses.map((status) => ({ status }) as never))
  expect([worst(ERROR, FAIL), worst(WARN, ERROR), worst(SKIPPED, PASS), worst()]).toEqual([
    FAIL,
    ERROR,
    PASS,
    PASS,
  ])
  expect([ERROR, FAIL, PASS, SKIPPED, WARN].map((status) => worstStatus([{ status } as never]))).toEqual([
    ERROR,
    FAIL,
    PASS,
    SKIPPED,
    WARN,
  ])
})
