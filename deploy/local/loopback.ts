import { loopbackAddress, MAX_LABS } from './addresses.ts'
import type { LabDeps } from './deps.ts'
import { claimLab, type HeldLab, type Holding, holdLab } from './held-lab.ts'
import { LabError } from './problems.ts'
import { type Lab, stateDirectory } from './state.ts'

/** Room in 127.0.k.11 and up, and more agents than one machine enjoys. */
const MAX_LOOPBACK_NODES = 200

/**
 * A fleet without namespaces: every agent has an address of its own on `lo`. It shows that everything works together;
 * all nodes share one link that nothing limits, so there is nothing to break and little to compare.
 */
export const createLoopbackFleet = async (
  deps: LabDeps,
  { nodes: count = 6 }: { nodes?: number } = {},
): Promise<HeldLab> => {
  if (!Number.isInteger(count) || count < 2 || count > MAX_LOOPBACK_NODES) {
    throw new LabError([`nodes: ${count} is not a whole number from 2 to ${MAX_LOOPBACK_NODES}`])
  }
  const { index, holding } = await claim(deps)
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
  return await holdLab(deps, lab, holding, async () => {
    // Linux answers on the whole of 127.0.0.0/8 as it is.
    return []
  })
}

const claim = async (deps: LabDeps): Promise<{ index: number; holding: Holding }> => {
  for (let index = 0; index < MAX_LABS; index++) {
    const holding = await claimLab(deps, index)
    if (holding) return { index, holding }
  }
  throw new LabError([`all ${MAX_LABS} labs are taken; meshgauge lab down ends them`])
}
