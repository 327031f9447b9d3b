import { describe, expect, test } from 'vitest'
import type { PingEngine, PingProbe } from '../../engines/engine.ts'
import type { CheckDeps } from '../check.ts'
import { FAIL, PASS, SKIPPED } from '../findings.ts'
import { valuesOf } from '../testing/machine.ts'
import { link, useMachines } from '../testing/use-machines.ts'

const { depsOf, runWith, machineOf } = useMachines()

describe('ping', () => {
  /** Answers of each address: a round-trip time in seconds, or undefined for a loss. */
  const depsWith = (answers: Record<string, (number | undefined)[]>): CheckDeps => {
    const deps = depsOf(machineOf())
    const links = [link('net0', ['10.0.0.1/24']), link('net1', ['10.0.1.1/24'])]
    const engine: PingEngine = {
      name: 'fake',
      detect: async () => ({ available: true, version: '1', reasons: [] }),
      validate: () => [],
      async *ping(request): AsyncGenerator<PingProbe> {
        for (const [targetIndex, { address }] of request.targets.entries()) {
          for (const rttSeconds of answers[address]!)
            yield { targetIndex, rttSeconds, refused: false, reason: '' }
        }
      },
    }
    return {
      ...deps,
      interfaces: { ...deps.interfaces, list: () => links, addressesOf: () => [] },
      engines: { ...deps.engines, ping: async () => ({ engine, version: { name: 'fake', version: '1' } }) },
    }
  }
  const targets = [
    { node: 'n2', address: '10.0.0.2', interface: 'net0' },
    { node: 'n2', address: '10.0.1.2', interface: 'net1' },
    'fd00::3%net0',
  ]

  test('reports loss and round-trip time of every address on its interface', async () => {
    const deps = depsWith({
      '10.0.0.2': [0.001, 0.003],
      '10.0.1.2': [0.002, 0.002],
      'fd00::3': [0.004, 0.004],
    })
    const result = await runWith(deps, 'ping', { targets })
    expect([result.status, result.reasons]).toEqual([PASS, []])
    expect(valuesOf(result, 'rtt')['10.0.0.2%net0']).toBeCloseTo(0.002)
    expect(valuesOf(result, 'node')).toEqual({ '10.0.0.2%net0': 'n2', '10.0.1.2%net1': 'n2' })
  })

  test('fails for one interface that does not answer, and for partial loss, which Autopilot ignores', async () => {
    const deps = depsWith({
      '10.0.0.2': [undefined, undefined],
      '10.0.1.2': [0.002, undefined],
      'fd00::3': [0.9, 0.9],
    })
    const result = await runWith(deps, 'ping', { targets, warn_rtt: '500ms' })
    expect(result.status).toBe(FAIL)
    expect(result.reasons).toEqual([
      expect.stringMatching(/^10\.0\.0\.2%net0: no answer to any of 2 probes/),
      'fd00::3%net0: answers after 900 ms, more than 500 ms',
      '10.0.1.2%net1: loses 50 % of 2 packets',
      'peers: 1 of 3 addresses do not answer',
    ])
  })

  test('reports a missing own address, and still probes all targets', async () => {
    const deps = depsWith({ '10.0.0.2': [0.001] })
    const result = await runWith(deps, 'ping', {
      targets: ['10.0.0.2%net0'],
      addresses: { net0: ['10.0.0.1'], net1: ['10.0.1.77'] },
    })
    expect(result.reasons).toEqual(['net1: lacks its address 10.0.1.77'])
    expect(valuesOf(result, 'loss')).toEqual({ '10.0.0.2%net0': 0 })
  })

  test('is skipped without targets', async () => {
    expect((await runWith(depsWith({}), 'ping')).status).toBe(SKIPPED)
  })

  test('refuses an interface that this node lacks', async () => {
    const run = runWith(depsWith({}), 'ping', { targets: ['10.0.0.2%eth9'] })
    await expect(run).rejects.toThrow(/there is no interface eth9/)
  })
})
