import { type FaultKind, harmless } from './fault.ts'

/** What happens to agents and to their connections. None of it is a fault of the network that is measured. */
export const AGENT_FAULTS: readonly FaultKind[] = [
  {
    kind: 'an agent is stopped',
    seconds: { least: 1, most: 60 },
    create: ({ agents }, _, node) => ({
      ...harmless(
        [node],
        () => agents[node]!.stop(),
        () => agents[node]!.resume(),
      ),
      accusable: 'by runs',
    }),
  },
  {
    kind: 'an agent is killed and starts again',
    seconds: { least: 1, most: 120 },
    create: ({ agents }, _, node) => ({
      ...harmless(
        [node],
        () => agents[node]!.kill(),
        () => agents[node]!.start(),
      ),
      accusable: 'by runs',
    }),
  },
  {
    kind: 'an agent shuts down and starts again',
    seconds: { least: 5, most: 60 },
    create: ({ agents }, _, node) => {
      let down: Promise<void> = Promise.resolve()
      return {
        ...harmless(
          [node],
          () => {
            down = agents[node]!.shutDown()
          },
          async () => {
            await down
            agents[node]!.start()
          },
        ),
        accusable: 'by runs',
      }
    },
  },
  {
    kind: 'a host dies',
    seconds: { least: 60, most: 180 },
    create: ({ agents, fabric }, _, node) => ({
      nodes: [node],
      accusable: 'always',
      namedWithinSeconds: agents.length > 8 ? 55 : undefined,
      disturbsJudging: false,
      begin: () => {
        agents[node]!.kill()
        fabric.setFault({ node, interface: 0 }, { sendLossRatio: 1, receiveLossRatio: 1 })
      },
      end: () => {
        fabric.setFault({ node, interface: 0 }, undefined)
        agents[node]!.start()
      },
    }),
  },
  {
    kind: 'the way to an agent is cut',
    seconds: { least: 2, most: 120 },
    create: ({ agents }, _, node) => ({
      ...harmless(
        [node],
        () => agents[node]!.link.cut(),
        () => agents[node]!.link.heal(),
      ),
      accusable: 'by runs',
    }),
  },
  {
    kind: 'the way to an agent is slow',
    seconds: { least: 1, most: 10 },
    create: ({ agents }, random, node) =>
      harmless(
        [node],
        () => agents[node]!.link.delay(random.between(0.5, 8)),
        () => undefined,
      ),
  },
  {
    kind: "a host's wall clock is stepped",
    seconds: { least: 1, most: 10 },
    create: ({ agents }, random, node) =>
      harmless(
        [node],
        () => agents[node]!.step(random.between(-3600, 3600)),
        () => undefined,
      ),
  },
  {
    kind: 'an agent reports what cannot be',
    seconds: { least: 10, most: 120 },
    create: ({ agents, tampering }, _, node) => {
      const { name } = agents[node]!
      return harmless(
        [node],
        () => void tampering.liars.add(name),
        () => void tampering.liars.delete(name),
      )
    },
  },
  {
    kind: 'batches of an agent arrive twice',
    seconds: { least: 10, most: 120 },
    create: ({ agents, tampering }, _, node) => {
      const { name } = agents[node]!
      return harmless(
        [node],
        () => void tampering.repeaters.add(name),
        () => void tampering.repeaters.delete(name),
      )
    },
  },
  {
    kind: "a host claims another host's address",
    seconds: { least: 15, most: 90 },
    create: ({ agents, fabric }, random, node) => {
      const other = (node + random.integer(1, agents.length - 1)) % agents.length
      const name = fabric.interfaces[0]!
      return {
        ...harmless(
          [node, other],
          () => agents[node]!.state.foreign.set(name, fabric.addressOf({ node: other, interface: 0 })),
          () => void agents[node]!.state.foreign.delete(name),
        ),
        disturbsJudging: true,
      }
    },
  },
]
