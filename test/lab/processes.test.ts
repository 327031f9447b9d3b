import { afterEach, describe, expect, it, vi } from 'vitest'
import { endProcess, signalProcess } from '../../deploy/local/end-processes.ts'
import { inventoryText } from '../../deploy/local/inventory.ts'
import {
  createLab,
  createLoopbackFleet,
  labStatus,
  type OwnedLab,
  parseFault,
  setFault,
} from '../../deploy/local/lab.ts'
import { agentAddress, startAgents, startCollector } from '../../deploy/local/processes.ts'
import { describeLab, labDeps, tracesOfLab } from '../testing/lab.ts'
import { hostProgram as options } from './fixtures/host-start.ts'

let owned: OwnedLab
afterEach(() => owned.down())

const processes = async () =>
  (await labStatus(labDeps))
    .find(({ index }) => index === owned.lab.index)
    ?.processes.map(({ name, isAlive }) => `${name} ${isAlive ? 'runs' : 'has ended'}`)

describeLab('the agents of a lab', () => {
  it('start in their namespaces, are killed individually, and start again', async () => {
    owned = await createLab(labDeps, { nodes: 3 })
    await startAgents(labDeps, owned.lab, options)
    expect(await processes()).toEqual(['agent-node-1 runs', 'agent-node-2 runs', 'agent-node-3 runs'])
    await signalProcess(owned.lab, 'agent-node-2', 'SIGKILL')
    await vi.waitFor(
      async () =>
        expect(await processes()).toEqual([
          'agent-node-1 runs',
          'agent-node-2 has ended',
          'agent-node-3 runs',
        ]),
      { timeout: 60_000 },
    )
    await expect(signalProcess(owned.lab, 'agent-node-2', 'SIGKILL')).rejects.toThrow(
      'agent-node-2 is not running',
    )
    await startAgents(labDeps, owned.lab, options, owned.lab.nodes.slice(1, 2))
    await endProcess(labDeps, owned.lab, 'agent-node-3')
    expect(await processes()).toEqual(['agent-node-1 runs', 'agent-node-2 runs', 'agent-node-3 has ended'])
  })

  it('that fail to start are all reported, with their output', async () => {
    owned = await createLab(labDeps, { nodes: 2 })
    const start = startAgents(labDeps, owned.lab, { ...options, environment: { FAILS: '1' } })
    await expect(start).rejects.toMatchObject({
      problems: ['agent-node-1', 'agent-node-2'].map((name) =>
        expect.stringMatching(new RegExp(`^${name} ended during its start:\\n.*this program does not start`)),
      ),
    })
  })

  it('that do not become ready are reported with the reason', async () => {
    owned = await createLab(labDeps, { nodes: 2 })
    const unready = () => Promise.reject(new Error('status NOT_SERVING'))
    const start = startAgents(labDeps, owned.lab, { ...options, waitReady: unready, readyWithinSeconds: 1 })
    await expect(start).rejects.toThrow(
      /agent-node-1 is not ready at 198\.19\.\d+\.1:50051 after 1 s \(Error: status NOT_SERVING\)/,
    )
  })
})

describe('a loopback fleet', () => {
  it('runs agents and a collector without namespaces, refuses faults, and leaves nothing behind', async () => {
    owned = await createLoopbackFleet(labDeps, { nodes: 3 })
    const { lab } = owned
    await startAgents(labDeps, lab, options)
    const address = `127.0.${lab.index}.9:50050`
    await startCollector(labDeps, lab, {
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
    await expect(setFault(labDeps, lab, fault)).rejects.toThrow('a loopback fleet cannot have faults')
    await owned.down()
    expect(await tracesOfLab(lab.index)).toEqual([])
  })

  it('with too few nodes is refused', async () => {
    await expect(createLoopbackFleet(labDeps, { nodes: 1 })).rejects.toThrow(
      'nodes: 1 is not a whole number from 2 to 200',
    )
  })
})
