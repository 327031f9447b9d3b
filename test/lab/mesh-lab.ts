import { execa } from 'execa'
import { waitHealthy } from '../../cli/lab/readiness.ts'
import { createLab, heal, parseFault, setFault } from '../../deploy/local/lab.ts'
import { recordedProcesses, startAgents } from '../../deploy/local/processes.ts'
import { openIndependentClient } from '../protocol/independent-client.ts'
import { deps } from './machine.ts'
import { onNode } from './measure.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** A lab of hosts of which the first one has an agent, and somebody who talks to it. */
export const startMeshLab = async (nodes = 3) => {
  const held = await createLab(deps, { nodes, rateBitsPerSecond: 100e6 })
  try {
    const { lab } = held
    const first = lab.nodes[0]!
    const start = { program: [MESHGAUGE], waitReady: waitHealthy, readyWithinSeconds: 90 }
    const startAgent = () => startAgents(deps, lab, start, [first])
    await startAgent()
    return {
      lab,
      client: () => openIndependentClient(50051, first.management),
      startAgent,
      pid: async () => {
        const found = (await recordedProcesses(lab.stateDir)).find(({ name }) => name.includes(first.name))
        if (!found) throw new Error('no agent was started')
        return found.identity.pid
      },
      fault: (text: string) => setFault(deps, lab, parseFault(text, lab)),
      heal: () => heal(deps, lab),
      inside: (node: string, ...command: string[]) => execa(...onNode(lab, node, ...command)),
      /** The other hosts as targets on one network; ids count from 1 in the order of the hosts. */
      targets: (network: string) =>
        lab.nodes.slice(1).map((node, index) => ({
          id: index + 1,
          address: node.interfaces.find(({ name }) => name === network)!.address,
        })),
      close: () => held.down(),
    }
  } catch (error) {
    await held.down()
    throw error
  }
}

export type MeshLab = Awaited<ReturnType<typeof startMeshLab>>
