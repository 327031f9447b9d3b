/** Whether the agent of a node answers. `unspecified`: it has not been called yet. */
export type NodeState = 'unspecified' | 'ready' | 'silent'

/** A network interface, as the agent of its node reports it. Texts are empty when unknown. */
export type HostInterface = {
  name: string
  /** With prefix lengths, such as 10.0.1.11/24. IPv4 addresses come first. */
  addresses: string[]
  /** Undefined where the driver does not report it, such as on virtual links. */
  speedBitsPerSecond: number | undefined
  mtuBytes: number
  /** As in /sys/class/net/NAME/operstate. */
  state: string
  driver: string
  mac: string
  driverVersion: string
  firmwareVersion: string
  /** PCI address of the device. */
  busInfo: string
  duplex: string
}

/** A program that runs tests on a node. */
export type NodeEngine = {
  name: string
  version: string
  test: string
  available: boolean
  /** Why it cannot run. Empty when it can. */
  reasons: string[]
}

/** The maximum values that an agent enforces. 0 is unlimited. */
export type NodeLimits = {
  maxTargetsCount: number
  maxFlowsCount: number
  maxDurationSeconds: number | undefined
  maxBitsPerSecond: number
  maxBytes: number
  minPingIntervalSeconds: number | undefined
  ports: { first: number; last: number } | undefined
  peerNetworks: string[]
  maxProbesPerSecond: number
  maxProbeBitsPerSecond: number
}

/** Hardware and operating system of a node. Unknown values are empty or 0. */
export type NodeMetadata = {
  architecture: string
  fqdn: string
  kernel: string
  operatingSystem: string
  cpuModel: string
  cpuSocketCount: number
  cpuCoresPerSocketCount: number
  cpuThreadsPerCoreCount: number
  memoryBytes: number
  swapBytes: number
  systemVendor: string
  productName: string
  productVersion: string
  uptimeSeconds: number | undefined
  gpuModel: string
  gpuCount: number
  cpuVendor: string
}

/** What the agent of a node reports about it. */
export type NodeDescription = {
  /** Name of the node in its agent's configuration. */
  node: string
  /** Whether that name was configured. Otherwise it is the host name. */
  isNameConfigured: boolean
  hostname: string
  agentVersion: string
  agentStartTime: Date | undefined
  interfaces: HostInterface[]
  /** Names with `*` of interfaces that the agent does not use by default. */
  excludedInterfaces: string[]
  engines: NodeEngine[]
  limits: NodeLimits | undefined
  labels: Readonly<Record<string, string>>
  metadata: NodeMetadata | undefined
}

/** A node of the fleet: its inventory entry, the state of its agent and what the agent reported last. */
export type FleetNode = {
  name: string
  /** Address of the agent, as host:port. */
  address: string
  /** Labels of the inventory, and of the agent where the inventory has no such label. */
  labels: Readonly<Record<string, string>>
  /** Empty when unknown. */
  rack: string
  state: NodeState
  /** Why the agent does not answer. Empty when it answers. */
  stateReason: string
  /** Whether the agent of another node answers at the address. Then the state is silent. */
  hasForeignAgent: boolean
  lastSeenTime: Date | undefined
  /** Undefined when the agent has never answered. */
  description: NodeDescription | undefined
  /** Names of the interfaces that tests use. */
  interfaces: string[]
  lastPingTime: Date | undefined
  lastIperfTime: Date | undefined
}

/** Returns a node that its agent has not described. Fields that are not given are empty. */
export const createNode = (fields: Pick<FleetNode, 'name'> & Partial<FleetNode>): FleetNode => ({
  address: '',
  labels: {},
  rack: '',
  state: 'unspecified',
  stateReason: '',
  hasForeignAgent: false,
  lastSeenTime: undefined,
  description: undefined,
  interfaces: [],
  lastPingTime: undefined,
  lastIperfTime: undefined,
  ...fields,
})
