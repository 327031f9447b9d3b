/** Converts a MeshAssignment, with its defaults, to a plan, and finds its violations. */

import {
  type MeshAssignment,
  type MeshGroup,
  type MeshProblem,
  type MeshTarget,
  PingRequest,
} from '#proto/meshgauge/agent/v1/ping.ts'
import type { Violation } from '../../lib/errors.ts'
import { fromDuration, toDuration } from '../../lib/protobuf-time.ts'
import { MESH_DEFAULTS } from '../../lib/test-defaults.ts'
import type { PingEngine } from '../engines/engine.ts'

/** One group of targets that are probed alike: a continuous request, and the targets in its order. */
export type MeshPlanGroup = {
  /** Position in the assignment. */
  index: number
  request: PingRequest
  targets: readonly MeshTarget[]
  intervalSeconds: number
  timeoutSeconds: number
  /** Equal for groups with the same parameters and targets. */
  key: string
}

export type MeshPlan = {
  owner: string
  groups: readonly MeshPlanGroup[]
  windowSeconds: number
  outliveSeconds: number
  /** The targets that this agent may not measure. They are in no group. */
  refused: readonly MeshProblem[]
}

const MAX_WINDOW_SECONDS = 3600
const MAX_OUTLIVE_SECONDS = 3600
const MAX_OWNER_LENGTH = 200

/** Maximum number of open probes of a target: their results are stored as bits of one number. */
const MAX_INTERVALS_PER_TIMEOUT = 20

/** Identifies a target: an id with another address is another target. */
export const targetKey = ({ id, address, port }: MeshTarget): string => `${id} ${address} ${port ?? ''}`

const requestOf = (group: MeshGroup, targets: readonly MeshTarget[]): PingRequest =>
  PingRequest.create({
    targets: targets.map(({ address, port }) => ({ address, port })),
    interface: group.interface,
    engine: group.engine,
    continuous: true,
    interval: group.interval ?? toDuration(1),
    timeout: group.timeout ?? toDuration(0.5),
    sizeBytes: group.sizeBytes,
    dontFragment: group.dontFragment,
    tos: group.tos,
  })

/** Rotates a list, so that not all nodes probe the first target first. */
const rotate = <T>(list: readonly T[], ratio: number): T[] => {
  const first = Math.floor(list.length * ratio)
  return [...list.slice(first), ...list.slice(0, first)]
}

/**
 * Returns the plan of an assignment, without the targets that may not be measured.
 * @param phase position of this node in every round, 0 to 1
 * @param refusalOf states why an address may not be measured; empty when it may
 */
export const planMesh = (
  assignment: MeshAssignment,
  phase: number,
  refusalOf: (address: string) => string = () => '',
): MeshPlan => ({
  owner: assignment.owner,
  windowSeconds: fromDuration(assignment.window) ?? MESH_DEFAULTS.windowSeconds,
  outliveSeconds: fromDuration(assignment.outlive) ?? MESH_DEFAULTS.outliveSeconds,
  refused: refusedTargets(assignment.groups, refusalOf),
  groups: assignment.groups.flatMap((group, index) => {
    const allowed = group.targets.filter(({ address }) => refusalOf(address) === '')
    // A group without targets in the assignment is kept: its engine reports that.
    if (allowed.length === 0 && group.targets.length > 0) return []
    const targets = rotate(allowed, phase)
    const request = requestOf(group, targets)
    const parameters = JSON.stringify({ ...request, targets: undefined })
    return {
      index,
      request,
      targets,
      intervalSeconds: fromDuration(request.interval) ?? MESH_DEFAULTS.intervalSeconds,
      timeoutSeconds: fromDuration(request.timeout) ?? 0.5,
      key: [parameters, ...targets.map(targetKey)].join('\n'),
    }
  }),
})

/** One problem for each group and reason. */
const refusedTargets = (
  groups: readonly MeshGroup[],
  refusalOf: (address: string) => string,
): MeshProblem[] =>
  groups.flatMap((group, groupIndex) => {
    const refused = group.targets
      .map(({ id, address }) => ({ id, reason: refusalOf(address) }))
      .filter(({ reason }) => reason !== '')
    return [...Map.groupBy(refused, ({ reason }) => reason)].map(([reason, targets]) => ({
      groupIndex,
      reason,
      interface: group.interface,
      targetIds: targets.map(({ id }) => id),
      programFault: undefined,
    }))
  })

const duplicateIds = (groups: readonly MeshGroup[]): Violation[] => {
  const first = new Map<number, string>()
  return groups.flatMap(({ targets }, group) =>
    targets.flatMap(({ id }, target) => {
      const field = `assignment.groups[${group}].targets[${target}].id`
      const before = first.get(id)
      if (before === undefined) first.set(id, field)
      return before === undefined ? [] : [{ field, description: `${id} is also that of ${before}` }]
    }),
  )
}

type Known = {
  engine: (name: string) => PingEngine | undefined
  engineNames: string
  mayUse: (name: string) => boolean
}

const groupViolations = (group: MeshGroup, index: number, known: Known): Violation[] => {
  const field = (name: string) => `assignment.groups[${index}].${name}`
  const request = requestOf(group, group.targets)
  const engine = known.engine(group.engine)
  const interval = fromDuration(request.interval) ?? MESH_DEFAULTS.intervalSeconds
  const timeout = fromDuration(request.timeout) ?? 0.5
  const rules: [name: string, holds: boolean, description: string][] = [
    ['engine', engine !== undefined, `"${group.engine}" is not one of ${known.engineNames}`],
    [
      'interface',
      group.interface === '' || known.mayUse(group.interface),
      `"${group.interface}" is not one that this agent may use`,
    ],
    [
      'timeout',
      timeout <= interval * MAX_INTERVALS_PER_TIMEOUT,
      `must be at most ${MAX_INTERVALS_PER_TIMEOUT} intervals`,
    ],
  ]
  const own = rules
    .filter(([, holds]) => !holds)
    .map(([name, , description]) => ({ field: field(name), description }))
  const engines = (group.targets.length > 0 && engine?.validate(request)) || []
  return [...own, ...engines.map((violation) => ({ ...violation, field: field(violation.field) }))]
}

/** Returns all violations of an assignment. */
export const meshViolations = (assignment: MeshAssignment, known: Known): Violation[] => {
  const { windowSeconds, outliveSeconds } = planMesh(assignment, 0)
  const { owner } = assignment
  const rules: [name: string, holds: boolean, description: string][] = [
    [
      'owner',
      owner !== '' && owner.length <= MAX_OWNER_LENGTH,
      `must be 1 to ${MAX_OWNER_LENGTH} characters`,
    ],
    ['window', windowSeconds >= 1 && windowSeconds <= MAX_WINDOW_SECONDS, 'must be 1 s to 1 h'],
    ['outlive', outliveSeconds >= 0 && outliveSeconds <= MAX_OUTLIVE_SECONDS, 'must be 0 s to 1 h'],
  ]
  return [
    ...rules
      .filter(([, holds]) => !holds)
      .map(([name, , description]) => ({ field: `assignment.${name}`, description })),
    ...duplicateIds(assignment.groups),
    ...assignment.groups.flatMap((group, index) => groupViolations(group, index, known)),
  ]
}
