import {
  createNode,
  type FleetNode,
  type HostInterface,
  type NodeDescription,
  type NodeMetadata,
} from '../node.ts'

/** Returns an interface that is up. */
export const sampleInterface = (
  fields: Pick<HostInterface, 'name'> & Partial<HostInterface>,
): HostInterface => ({
  addresses: [],
  speedBitsPerSecond: undefined,
  mtuBytes: 1500,
  state: 'up',
  driver: '',
  mac: '',
  driverVersion: '',
  firmwareVersion: '',
  busInfo: '',
  duplex: '',
  ...fields,
})

export const sampleDescription = (fields: Partial<NodeDescription> = {}): NodeDescription => ({
  node: '',
  isNameConfigured: false,
  hostname: '',
  agentVersion: '',
  agentStartTime: undefined,
  interfaces: [],
  excludedInterfaces: [],
  engines: [],
  limits: undefined,
  labels: {},
  metadata: undefined,
  ...fields,
})

/** Returns a node with these interfaces, in the state `ready`. `links`: the CIDR addresses by interface name. */
export const sampleNode = (
  name: string,
  links: Readonly<Record<string, readonly string[]>> = {},
  fields: Partial<FleetNode> = {},
): FleetNode =>
  createNode({
    name,
    state: 'ready',
    interfaces: Object.keys(links),
    description: sampleDescription({
      node: name,
      interfaces: Object.entries(links).map(([link, addresses]) =>
        sampleInterface({ name: link, addresses: [...addresses] }),
      ),
    }),
    ...fields,
  })

export const sampleMetadata = (fields: Partial<NodeMetadata> = {}): NodeMetadata => ({
  architecture: 'x86_64',
  fqdn: '',
  kernel: '',
  operatingSystem: '',
  cpuModel: '',
  cpuSocketCount: 0,
  cpuCoresPerSocketCount: 0,
  cpuThreadsPerCoreCount: 0,
  memoryBytes: 0,
  swapBytes: 0,
  systemVendor: '',
  productName: '',
  productVersion: '',
  uptimeSeconds: undefined,
  gpuModel: '',
  gpuCount: 0,
  cpuVendor: '',
  ...fields,
})
