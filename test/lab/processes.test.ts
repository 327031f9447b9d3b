import { afterEach, describe, expect, it, vi } from 'vitest'
import { endProcess, signalProcess } from '../../deploy/local/end-processes.ts'
import { inventoryText } from '../../deploy/local/inventory.ts'
import {
  createLab,
  createLoopbackFleet,
  type OwnedLab,
  labStatus,
  parseFault,
  setFault,
} from '../../deploy/local/lab.ts'
import { agentAddress, startAgents, startCollector } from '../../deploy/local/processes.ts'
import { hostProgram as options } from './fixtures/host-start.ts'
import { deps, describeLab, traces } from './machine.ts'

let held: OwnedLab
afterEach(() => held.down())

const processes = async () =>
  (await labStatus(deps))
    .find(({ index }) => index === held.lab.index)
    ?.processes.map(({ name, isAlive }) => `${name} ${isAlive ? 'runs' : 'has ended'}`)

describeLab('the agents of a lab', () => {
  it('start in their namespaces, are killed alone, and start again', async () => {
    held = await createLab(deps, { nodes: 3 })
    await startAgents(deps, held.lab, options)
    expect(await processes()).toEqual(['agent-node-1 runs', 'agent-node-2 runs', 'agent-node-3 runs'])
    await signalProcess(held.lab, 'agent-node-2', 'SIGKILL')
    await vi.waitFor(
      async () =>
        expect(await processes()).toEqual([
          'agent-node-1 runs',
          'agent-node-2 has ended',
          'agent-node-3 runs',
        ]),
      { timeout: 60_000 },
    )
    await expect(signalProcess(held.lab, 'agent-node-2', 'SIGKILL')).rejects.toThrow(
      'agent-node-2 does not run',
    )
    await startAgents(deps, held.lab, options, held.lab.nodes.slice(1, 2))
    await endProcess(deps, held.lab, 'agent-node-3')
    expect(await processes()).toEqual(['agent-node-1 runs', 'agent-node-2 runs', 'agent-node-3 has ended'])
  })

  it('that do not start are all named, with what they said', async () => {
    held = await createLab(deps, { nodes: 2 })
    const start = startAgents(deps, held.lab, { ...options, environment: { FAILS: '1' } })
    await expect(start).rejects.toMatchObject({
      problems: ['agent-node-1', 'agent-node-2'].map((name) =>
        expect.stringMatching(new RegExp(`^${name} ended at once:\\n.*this program does not start`)),
      ),
    })
  })

  it('that never become ready are named with the reason', async () => {
    held = await createLab(deps, { nodes: 2 })
    const unready = () => Promise.reject(new Error('it says NOT_SERVING'))
    const start = startAgents(deps, held.lab, { ...options, waitReady: unready, readyWithinSeconds: 1 })
    await expect(start).rejects.toThrow(
      /agent-node-1 is not ready at 198\.19\.\d+\.1:50051 after 1 s \(Error: it says NOT_SERVING\)/,
    )
  })
})

describe('a loopback fleet', () => {
  it('runs agents and a collector without namespaces, cannot be broken, and leaves nothing', async () => {
    held = await createLoopbackFleet(deps, { nodes: 3 })
    const { lab } = held
    await startAgents(deps, lab, options)
    const address = `127.0.${lab.index}.9:50050`
    await startCollector(deps, lab, {
      ...options,
      inventory: 'fleet.yaml',
      address,
      environment: { LISTEN: address },
    })
    expect(await processes()).toEqual([
      'agent-node-1 runs',
      'agent-node-2 runs',
      'agent-node-3 runs',
      'collector runs',
    ])
    expect(inventoryText(lab, { listen: address })).toContain(
      `address: ${lab.nodes[2] && agentAddress(lab.nodes[2])}`,
    )
    const fault = parseFault('cut:node-1:lo:both', lab)
    await expect(setFault(deps, lab, fault)).rejects.toThrow('a loopback fleet has no links to break')
    await held.down()
    expect(await traces(lab.index)).toEqual([])
  })

  it('of no possible size is refused', async () => {
    await expect(createLoopbackFleet(deps, { nodes: 1 })).rejects.toThrow(
      'nodes: 1 is not a whole number from 2 to 200',
    )
  })
})
