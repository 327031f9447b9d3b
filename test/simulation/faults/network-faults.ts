import type { InterfaceFault } from '../world/fabric.ts'
import type { Fault, FaultContext, FaultKind } from './fault.ts'

/** Fewer peers do not show a lossy interface within the stated time. */
const MIN_PEERS = 8
/** In a larger fleet a path is probed for some of the time only. */
const MAX_FULL_MESH_NODES = 100

const interfaceFault = (
  world: FaultContext,
  node: number,
  fault: Partial<InterfaceFault>,
  namedWithinSeconds: number | undefined,
): Omit<Fault, 'kind'> => {
  const at = { node, interface: 0 }
  return {
    nodes: [node],
    accusable: 'always',
    namedWithinSeconds: world.agents.length > MIN_PEERS ? namedWithinSeconds : undefined,
    disturbsJudging: false,
    begin: () => world.fabric.setFault(at, fault),
    end: () => world.fabric.setFault(at, undefined),
  }
}

/** What is wrong with the network that is measured: the faults that meshgauge is there to name. */
export const NETWORK_FAULTS: readonly FaultKind[] = [
  {
    kind: 'an interface loses packets that it sends',
    seconds: { least: 100, most: 160 },
    create: (world, random, node) =>
      interfaceFault(world, node, { sendLossRatio: random.between(0.08, 0.25) }, 90),
  },
  {
    kind: 'an interface loses packets that it receives',
    seconds: { least: 100, most: 160 },
    create: (world, random, node) =>
      interfaceFault(world, node, { receiveLossRatio: random.between(0.08, 0.25) }, 90),
  },
  {
    kind: 'an interface passes nothing',
    seconds: { least: 40, most: 120 },
    create: (world, _, node) => ({
      ...interfaceFault(world, node, { sendLossRatio: 1, receiveLossRatio: 1 }, 35),
      namedByRuns: ['ping', 'iperf'],
    }),
  },
  {
    kind: 'a node answers late',
    seconds: { least: 60, most: 200 },
    create: (world, random, node) =>
      interfaceFault(world, node, { delaySeconds: random.between(0.005, 0.05) }, undefined),
  },
  {
    kind: 'an interface is slow',
    seconds: { least: 60, most: 200 },
    create: (world, random, node) => {
      const ratio = random.between(0.1, 0.5)
      return {
        ...interfaceFault(world, node, { sendRateRatio: ratio, receiveRateRatio: ratio }, undefined),
        namedByRuns: ['iperf'],
      }
    },
  },
  {
    kind: 'a path is cut',
    seconds: { least: 60, most: 120 },
    create: (world, random, node) => {
      const peer = (node + random.integer(1, world.agents.length - 1)) % world.agents.length
      return {
        nodes: [node, peer],
        accusable: 'always',
        namedWithinSeconds:
          world.agents.length > MIN_PEERS && world.agents.length <= MAX_FULL_MESH_NODES ? 55 : undefined,
        disturbsJudging: false,
        begin: () => world.fabric.setCut(0, node, peer, true),
        end: () => world.fabric.setCut(0, node, peer, false),
      }
    },
  },
]
