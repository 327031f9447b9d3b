import { execa } from 'execa'
import { waitHealthy } from '../../cli/lab/readiness.ts'
import { createLab, heal, parseFault, setFault } from '../../deploy/local/lab.ts'
import { recordedProcesses, startAgents } from '../../deploy/local/processes.ts'
import { openIndependentClient } from './independent-client.ts'
import { labDeps } from './lab.ts'
import { onNode } from './lab-measurements.ts'

const MESHGAUGE = new URL('../../cli/meshgauge', import.meta.url).pathname

/** A lab in which only the first host has an agent, with a client of that agent. */
export const startSingleAgentLab = async (nodes = 3) => {
  const owned = await createLab(labDeps, { nodes, rateBitsPerSecond: 100e6 })
  try {
    const { lab } = owned
    const first = lab.nodes[0]!
    const start = { program: [MESHGAUGE], waitReady: waitHealthy, readyWithinSeconds: 90 }
    const startAgent = () => startAgents(labDeps, lab, start, [first])
    await startAgent()
    return {
      lab,
      client: () => openIndependentClient(50051, first.management),
      startAgent,
      pid: async () => {
        const found = (await recordedProcesses(lab.stateDir)).find(({ name }) => name.includes(first.name))
        if (!found) throw new Error('the agent was not started')
        return found.identity.pid
      },
      fault: (text: string) => setFault(labDeps, lab, parseFault(text, lab)),
      heal: () => heal(labDeps, lab),
      inside: (node: string, ...command: string[]) => execa(...onNode(lab, node, ...command)),
      /** The other hosts as targets on one network; ids count from 1 in the order of the hosts. */
      targets: (network: string) =>
        lab.nodes.slice(1).map((node, index) => ({
          id: index + 1,
          address: node.interfaces.find(({ name }) => name === network)!.address,
        })),
      close: () => owned.down(),
    }
  } catch (error) {
    await owned.down()
    throw error
  }
}

export type SingleAgentLab = Awaited<ReturnType<typeof startSingleAgentLab>>
