/** Starts the parts of a lab: hosts, agents and collector. */

import { writeInventory } from '../../deploy/local/inventory.ts'
import { createLab, type LabDeps, type LabOptions, type OwnedLab } from '../../deploy/local/lab.ts'
import { createLoopbackFleet } from '../../deploy/local/loopback-fleet.ts'
import { type StartOptions, startAgents, startCollector } from '../../deploy/local/processes.ts'
import { freeLoopbackAddress } from './free-address.ts'
import { waitHealthy } from './readiness.ts'

export type Addresses = { collector: string; http: string }

/** Creates hosts without agents, in namespaces or on loopback. */
export const createHosts = (
  deps: LabDeps,
  kind: 'namespaces' | 'loopback',
  options: LabOptions,
): Promise<OwnedLab> =>
  kind === 'namespaces'
    ? createLab(deps, options)
    : createLoopbackFleet(deps, options.nodes === undefined ? {} : { nodes: options.nodes })

const startOptions = (program: readonly string[], signal: AbortSignal): StartOptions => ({
  program,
  waitReady: waitHealthy,
  signal,
})

export const startLabAgents = (
  deps: LabDeps,
  owned: OwnedLab,
  program: readonly string[],
  signal: AbortSignal,
) => startAgents(deps, owned.lab, startOptions(program, signal))

/** Starts the collector on loopback of this machine, on its default ports if they are free. */
export const startLabCollector = async (
  deps: LabDeps,
  owned: OwnedLab,
  program: readonly string[],
  signal: AbortSignal,
): Promise<Addresses> => {
  const addresses = { collector: await freeLoopbackAddress(50050), http: await freeLoopbackAddress(9464) }
  const inventory = await writeInventory(owned.lab, {
    listen: addresses.collector,
    // A ping mesh, but no other default schedules: throughput is measured only on request.
    settings: { http: addresses.http, schedules: [{ name: 'mesh', mesh: {} }] },
  })
  await startCollector(deps, owned.lab, {
    ...startOptions(program, signal),
    inventory,
    address: addresses.collector,
  })
  return addresses
}
