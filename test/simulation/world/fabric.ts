import type { RandomSource } from './random.ts'

/** Round-trip time of the nearest pair, and how much farther the farthest one is. */
const RTT_SECONDS = { least: 60e-6, spread: 60e-6 }
/** Share of its round-trip time that a probe may take longer. */
const RTT_NOISE = 0.1
/** What an interface can send and receive. */
const BITS_PER_SECOND = 10e9
/** Share of the rate that a test may be slower. */
const RATE_NOISE = 0.03

/** What is wrong with an interface. Ratios are 0 to 1. */
export type InterfaceFault = {
  /** Share of the packets that are lost when it sends, and when it receives. */
  sendLossRatio: number
  receiveLossRatio: number
  /** Added to every round trip from or to it. */
  delaySeconds: number
  /** Share of the rate that is left when it sends, and when it receives. */
  sendRateRatio: number
  receiveRateRatio: number
}

const NO_FAULT: InterfaceFault = {
  sendLossRatio: 0,
  receiveLossRatio: 0,
  delaySeconds: 0,
  sendRateRatio: 1,
  receiveRateRatio: 1,
}

export type Address = { node: number; interface: number }

/** The network that is measured: interfaces of nodes, joined by one switch for each interface name. */
export const createFabric = (
  { nodeCount, interfaces }: { nodeCount: number; interfaces: readonly string[] },
  random: RandomSource,
) => {
  const faults = new Map<number, InterfaceFault>()
  const cuts = new Set<number>()
  /** ICMP echo requests that each node has received. */
  const echoRequests = new Float64Array(nodeCount)
  const placeOf = (node: number, name: number) => name * nodeCount + node
  const pathOf = (name: number, source: number, destination: number) =>
    placeOf(source, name) * nodeCount + destination
  const faultOf = (node: number, name: number) => faults.get(placeOf(node, name)) ?? NO_FAULT
  const baseRtt = (source: number, destination: number) =>
    RTT_SECONDS.least + (RTT_SECONDS.spread * ((source * 7919 + destination * 104_729) % 1000)) / 1000
  let isFaulty = false

  /** Whether a packet gets there. */
  const passes = (name: number, source: number, destination: number): boolean => {
    if (cuts.has(pathOf(name, source, destination))) return false
    const { sendLossRatio } = faultOf(source, name)
    const { receiveLossRatio } = faultOf(destination, name)
    if (sendLossRatio > 0 && random.chance(sendLossRatio)) return false
    return receiveLossRatio === 0 || !random.chance(receiveLossRatio)
  }
  const noteFaults = () => {
    isFaulty = faults.size + cuts.size > 0
  }

  return {
    interfaces,
    nodeCount,
    /** 10.<interface>.<node / 250>.<node % 250 + 1> */
    addressOf: ({ node, interface: name }: Address): string =>
      `10.${name}.${Math.floor(node / 250)}.${(node % 250) + 1}`,
    /** Undefined for an address that no node has. */
    whereIs: (address: string): Address | undefined => {
      const [network, name = -1, high = -1, low = -1] = address.split('.').map(Number)
      const node = high * 250 + low - 1
      const isKnown = network === 10 && name in interfaces && node >= 0 && node < nodeCount
      return isKnown ? { node, interface: name } : undefined
    },
    /** One probe and its answer: the round-trip time in seconds, undefined when either was lost. */
    probe: (name: number, source: number, destination: number): number | undefined => {
      const rtt = baseRtt(source, destination) * (1 + RTT_NOISE * random.next())
      if (!isFaulty) {
        echoRequests[destination]!++
        return rtt
      }
      if (!passes(name, source, destination)) return undefined
      echoRequests[destination]!++
      if (!passes(name, destination, source)) return undefined
      return rtt + faultOf(source, name).delaySeconds + faultOf(destination, name).delaySeconds
    },
    /** Bits per second that a test from one node to another reaches; 0 when nothing gets through. */
    rate: (name: number, source: number, destination: number): number => {
      const isCut = [pathOf(name, source, destination), pathOf(name, destination, source)].some((path) =>
        cuts.has(path),
      )
      const [from, to] = [faultOf(source, name), faultOf(destination, name)]
      if (isCut || from.sendLossRatio >= 1 || to.receiveLossRatio >= 1) return 0
      if (from.receiveLossRatio >= 1 || to.sendLossRatio >= 1) return 0
      const worstLoss = Math.max(from.sendLossRatio, to.receiveLossRatio)
      const ratio = Math.min(from.sendRateRatio, to.receiveRateRatio) * (worstLoss > 0 ? 0.2 : 1)
      return BITS_PER_SECOND * ratio * (1 - RATE_NOISE * random.next())
    },
    echoRequests: (node: number): number => echoRequests[node]!,
    setFault: ({ node, interface: name }: Address, fault: Partial<InterfaceFault> | undefined): void => {
      if (fault) faults.set(placeOf(node, name), { ...NO_FAULT, ...fault })
      else faults.delete(placeOf(node, name))
      noteFaults()
    },
    /**
     * Cuts the way from one interface to another, in this direction only. Probes of both nodes are lost: the answers to
     * those of the other one go this way.
     */
    setCut: (name: number, source: number, destination: number, isCut: boolean): void => {
      if (isCut) cuts.add(pathOf(name, source, destination))
      else cuts.delete(pathOf(name, source, destination))
      noteFaults()
    },
  }
}

export type Fabric = ReturnType<typeof createFabric>
