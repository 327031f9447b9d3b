import { pMapSettled } from 'p-map'
import { MAX_LABS, overlapsManagement } from './addresses.ts'
import { deviceChanges, filterRules } from './fault-effects.ts'
import { type Fault, type FaultPlace, formatFault, withFault, withoutFault } from './faults.ts'
import type { LabDeps } from './lab-deps.ts'
import { LabError } from './lab-error.ts'
import { NEIGHBOUR_LIMITS, raiseNeighbourLimits } from './neighbour-limits.ts'
import { claimLab, createOwnedLab, type LabClaim, type OwnedLab } from './owned-lab.ts'
import { type Lab, loadLab, saveLab, stateDirectory, withLabLock } from './state.ts'
import {
  buildSteps,
  hostLink,
  type LabOptions,
  type LabShape,
  labNodes,
  labOfNamespace,
  labShape,
  switchNamespace,
} from './topology.ts'

export type { Fault, FaultPlace } from './faults.ts'
export { formatFault, parseFault, parseFaultPlace, parseFaults } from './faults.ts'
export type { LabDeps, Machine } from './lab-deps.ts'
export { createLabDeps, sourceDownCommand } from './lab-deps.ts'
export { LabError } from './lab-error.ts'
export { createLoopbackFleet } from './loopback-fleet.ts'
export type { OwnedLab } from './owned-lab.ts'
export type { Lab } from './state.ts'
export type { LabReport } from './status.ts'
export { labStatus } from './status.ts'
export { labDown } from './teardown.ts'
export type { LabOptions } from './topology.ts'

/** Reads the lab with this number, which any process may have created. */
export const openLab = (deps: LabDeps, index: number): Promise<Lab> => loadLab(deps.stateRoot, index)

/** Creates network namespaces, bridges and links for a fleet of hosts. startAgents starts their agents. */
export const createLab = async (deps: LabDeps, options: LabOptions = {}): Promise<OwnedLab> => {
  const shape = labShape(options)
  const { index, claim } = await claimFreeIndex(deps, options.index)
  const lab: Lab = {
    version: 1,
    kind: 'namespaces',
    index,
    stateDir: stateDirectory(deps.stateRoot, index),
    racks: shape.racks,
    rateBitsPerSecond: shape.rateBitsPerSecond,
    uplinkBitsPerSecond: shape.uplinkBitsPerSecond,
    nodes: labNodes(index, shape),
    faults: [],
  }
  return await createOwnedLab(deps, lab, claim, () => build(deps, lab, shape))
}

/** More at once only wait for the kernel's one lock on network devices. */
const HOSTS_AT_ONCE = 4

/** Works on several hosts at once. After a failure it waits for the others: nothing may run during the teardown. */
const forEachHost = async <T>(hosts: readonly T[], work: (host: T) => Promise<void>): Promise<void> => {
  const results = await pMapSettled(hosts, work, { concurrency: HOSTS_AT_ONCE })
  const failed = results.find((result) => result.status === 'rejected')
  if (failed) throw failed.reason
}

const build = async (deps: LabDeps, lab: Lab, shape: LabShape): Promise<string[]> => {
  const networks = lab.nodes[0]?.interfaces.length ?? 0
  const warning = await raiseNeighbourLimits(NEIGHBOUR_LIMITS, lab.nodes.length, networks)
  const steps = buildSteps(lab.index, shape, lab.nodes)
  await deps.commands.ip(steps.machine)
  await forEachHost(steps.namespaces, async ({ name, ip, tc }) => {
    await deps.commands.ip(ip, name)
    await deps.commands.tc(tc, name)
  })
  await deps.commands.ip(steps.machineLink)
  return warning === undefined ? [] : [warning]
}

/** Names and routes that exist on this machine. */
type NamesInUse = { namespaces: string[]; links: string[]; routes: string[] }

const readNamesInUse = async ({ commands }: LabDeps): Promise<NamesInUse> => {
  const [namespaces, links, routes] = await Promise.all([
    commands.read('ip', ['netns', 'list']),
    commands.read('ip', ['-json', 'link', 'show']),
    commands.read('ip', ['-4', '-json', 'route', 'show', 'table', 'all']),
  ])
  return {
    namespaces: namespaces.split('\n').map((line) => line.split(' ')[0] ?? ''),
    links: (JSON.parse(links) as { ifname: string }[]).map((link) => link.ifname),
    routes: (JSON.parse(routes) as { dst: string }[]).map((route) => route.dst),
  }
}

const whyUnavailable = (inUse: NamesInUse, index: number): string | undefined => {
  const namespace = inUse.namespaces.find((name) => labOfNamespace(name) === index)
  if (namespace) return `namespace ${namespace} exists`
  if (inUse.links.includes(hostLink(index))) return `interface ${hostLink(index)} exists`
  const route = inUse.routes.find((candidate) => overlapsManagement(candidate, index))
  return route && `there is a route to ${route}`
}

type Claimed = { index: number; claim: LabClaim }

/** Claims the first lab number (or `wanted`) whose names and addresses nothing on this machine uses. */
const claimFreeIndex = async (deps: LabDeps, wanted: number | undefined): Promise<Claimed> => {
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 0 || wanted >= MAX_LABS)) {
    throw new LabError([`index: ${wanted} is not a whole number from 0 to ${MAX_LABS - 1}`])
  }
  const candidates = wanted === undefined ? Array.from({ length: MAX_LABS }, (_, index) => index) : [wanted]
  const inUse = await readNamesInUse(deps)
  const reasons: string[] = []
  for (const index of candidates) {
    const reason = whyUnavailable(inUse, index)
    const claim = reason === undefined ? await claimLab(deps, index) : undefined
    if (claim) return { index, claim }
    reasons.push(
      reason ? `lab ${index}: ${reason}` : `lab ${index} already exists; delete it with meshgauge lab down`,
    )
  }
  throw new LabError(reasons)
}

const apply = async (deps: LabDeps, lab: Lab, after: readonly Fault[]): Promise<void> => {
  const switchName = switchNamespace(lab.index)
  const changes = deviceChanges(lab.nodes, switchName, lab.rateBitsPerSecond, lab.faults, after)
  await deps.commands.nft(filterRules(after, lab.nodes), switchName)
  await forEachHost(changes, async ({ namespace, ip, tc }) => {
    await deps.commands.ip(ip, namespace)
    await deps.commands.tc(tc, namespace)
  })
}

const change = async (
  deps: LabDeps,
  index: number,
  next: (faults: readonly Fault[]) => Fault[],
): Promise<Lab> => {
  const { stateDir } = await loadLab(deps.stateRoot, index)
  return await withLabLock(stateDir, deps, async () => {
    const lab = await loadLab(deps.stateRoot, index)
    if (lab.kind === 'loopback') {
      throw new LabError(['a loopback fleet cannot have faults; they need a lab with network namespaces'])
    }
    const changed = { ...lab, faults: next(lab.faults) }
    await apply(deps, lab, changed.faults)
    await saveLab(changed)
    return changed
  })
}

/** Injects a fault. It replaces a fault of the same kind at the same place; all others remain. */
export const setFault = (deps: LabDeps, lab: Pick<Lab, 'index'>, fault: Fault): Promise<Lab> =>
  change(deps, lab.index, (faults) => withFault(faults, fault))

/** Removes the fault at `place`, or all faults when absent. */
export const heal = (deps: LabDeps, lab: Pick<Lab, 'index'>, place?: FaultPlace): Promise<Lab> =>
  change(deps, lab.index, (faults) => {
    if (!place) return []
    const rest = withoutFault(faults, place)
    if (rest.length < faults.length) return rest
    const set = faults.map(formatFault).join(', ') || 'none'
    throw new LabError([
      `there is no ${place.kind} on ${place.node} ${place.interface} ${place.direction}; set: ${set}`,
    ])
  })
