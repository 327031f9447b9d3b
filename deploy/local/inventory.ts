import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { agentAddress } from './processes.ts'
import type { Lab } from './state.ts'

export type InventoryOptions = {
  /** Where the collector serves gRPC, `host:port`. */
  listen: string
  /** Further keys of the collector's configuration, such as its HTTP address. */
  settings?: Readonly<Record<string, unknown>>
}

/** The collector's configuration file for the lab. */
export const inventoryText = (lab: Lab, { listen, settings = {} }: InventoryOptions): string =>
  stringify({
    listen,
    store: join(lab.stateDir, 'meshgauge.db'),
    insecure: true,
    // Tests and trials start every measurement themselves.
    default_schedules: false,
    ...settings,
    nodes: lab.nodes.map((node) => ({
      name: node.name,
      address: agentAddress(node),
      rack: node.rack,
      interfaces: node.interfaces.map(({ name }) => name),
    })),
  })

/** Writes `fleet.yaml` into the lab's directory and returns its path. */
export const writeInventory = async (lab: Lab, options: InventoryOptions): Promise<string> => {
  const file = join(lab.stateDir, 'fleet.yaml')
  await writeFile(file, inventoryText(lab, options), { mode: 0o600 })
  return file
}
