import { loopbackAddress, MAX_LABS } from './addresses.ts'
import type { LabDeps } from './lab-deps.ts'
import { LabError } from './lab-error.ts'
import { claimLab, createOwnedLab, type LabClaim, type OwnedLab } from './owned-lab.ts'
import { type Lab, stateDirectory } from './state.ts'

/** Addresses start at 127.0.k.11, and more agents overload a usual machine. */
const MAX_LOOPBACK_NODES = 200

/**
 * Creates a fleet without network namespaces: each agent has its own loopback address. Use it where namespaces are not
 * available. All nodes share the unlimited link `lo`, so faults cannot be injected and rates say little.
 */
export const createLoopbackFleet = async (
  deps: LabDeps,
  { nodes: count = 6 }: { nodes?: number } = {},
): Promise<OwnedLab> => {
  if (!Number.isInteger(count) || count < 2 || count > MAX_LOOPBACK_NODES) {
    throw new LabError([`nodes: ${count} is not a whole number from 2 to ${MAX_LOOPBACK_NODES}`])
  }
  const { index, claim } = await claimFreeIndex(deps)
  const nodes = Array.from({ length: count }, (_, position) => {
    const address = loopbackAddress(index, position + 1)
    return {
      name: `node-${position + 1}`,
      rack: 'rack-1',
      management: address,
      interfaces: [{ name: 'lo', address }],
    }
  })
  const lab: Lab = {
    version: 1,
    kind: 'loopback',
    index,
    stateDir: stateDirectory(deps.stateRoot, index),
    racks: 1,
    rateBitsPerSecond: 'unlimited',
    uplinkBitsPerSecond: 'unlimited',
    nodes,
    faults: [],
  }
  return await createOwnedLab(deps, lab, claim, async () => {
    // Nothing to build: Linux accepts every address of 127.0.0.0/8 on `lo`.
    return []
  })
}

const claimFreeIndex = async (deps: LabDeps): Promise<{ index: number; claim: LabClaim }> => {
  for (let index = 0; index < MAX_LABS; index++) {
    const claim = await claimLab(deps, index)
    if (claim) return { index, claim }
  }
  throw new LabError([`all ${MAX_LABS} lab numbers are in use; delete labs with meshgauge lab down`])
}
