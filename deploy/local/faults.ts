import { formatBitrate, parseBitrate } from '../../lib/units.ts'
import { LabError } from './lab-error.ts'
import type { LabNode } from './topology.ts'

export const FAULT_KINDS = ['rate', 'loss', 'cut', 'mtu'] as const
type FaultKind = (typeof FAULT_KINDS)[number]
/** The direction as the node sees it. */
type FaultDirection = 'tx' | 'rx' | 'both'

/**
 * Where a fault is. A place has at most one fault of each kind. With `peer`, the fault affects only packets between the
 * two nodes. `node` may be the name of a rack: the fault is then on the rack's uplink.
 */
export type FaultPlace = {
  kind: FaultKind
  node: string
  peer?: string | undefined
  interface: string
  direction: FaultDirection
}

/** An injected fault. `value` is the bit/s of a rate, the ratio (0 to 1) of a loss, or the bytes of an mtu; a cut has none. */
export type Fault = FaultPlace & { value?: number | undefined }

/** The nodes on which a fault can be set, and the rate of their interfaces. */
export type FaultTarget = { nodes: readonly LabNode[]; rateBitsPerSecond: number | 'unlimited' }

/** One example of each form of a fault. */
export const FAULT_FORMS = [
  'rate:node-3:net1:tx:50mbit',
  'loss:node-2:net0:rx:10%',
  'cut:node-4:net1:both',
  'mtu:node-2:net1:tx:1400',
  'cut:node-1/node-2:net0:both',
  'loss:rack-2:net1:tx:20%',
] as const

/** The kinds that a path or an uplink can have: nftables drops packets by both addresses, but tc shapes a whole device. */
const PATH_FAULT_KINDS: readonly string[] = ['cut', 'loss']

const INTERFACE_MTU_BYTES = 1500

const valueProblem = (text: string, message: string): LabError => new LabError([`${text}: ${message}`])

const parseRate = (text: string, target: FaultTarget): number | string => {
  const rate = parseBitrate(text)
  if (rate === undefined) return `"${text}" is not a bitrate; write 50mbit`
  if (rate < 8000)
    return `${text} is below 8 kbit/s, the lowest rate that the lab can shape; for a link that carries nothing use cut`
  if (target.rateBitsPerSecond !== 'unlimited' && rate >= target.rateBitsPerSecond) {
    return `${text} limits nothing: every interface has ${formatBitrate(target.rateBitsPerSecond)}`
  }
  return rate
}

const parseLoss = (text: string): number | string => {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text)
  if (!match) return `"${text}" is not a loss; write 10%`
  const ratio = Number(match[1]) / 100
  if (ratio > 1) return `${text} is more than 100%`
  if (ratio < 1e-6)
    return `${text} is less than one packet in a million, the lowest loss that the lab can set`
  return ratio
}

const parseMtu = (text: string): number | string => {
  const bytes = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(bytes)) return `"${text}" is not a number of bytes; write 1400`
  if (bytes < 68) return `${text} is below 68, the smallest MTU that IPv4 allows`
  if (bytes >= INTERFACE_MTU_BYTES)
    return `${text} drops nothing: the interfaces' MTU is ${INTERFACE_MTU_BYTES}`
  return bytes
}

const parseValue = (kind: FaultKind, text: string, target: FaultTarget): number | string => {
  if (kind === 'rate') return parseRate(text, target)
  return kind === 'loss' ? parseLoss(text) : parseMtu(text)
}

const isRack = (name: string, { nodes }: FaultTarget): boolean =>
  nodes.some(({ rack }) => rack === name) && nodes.some(({ rack }) => rack !== name)

/** Problems of `node-3`, of `node-3/node-5` (the path between the two), or of `rack-2` (its uplink). */
const whereProblems = (kind: string, where: string, target: FaultTarget): string[] => {
  const { nodes } = target
  const [node = '', peer, ...rest] = where.split('/')
  const problems: string[] = []
  if (rest.length > 0) problems.push(`"${where}" has more than a node and a peer; write node-1/node-2`)
  const isUplink = peer === undefined && isRack(node, target)
  for (const name of [node, ...(peer === undefined ? [] : [peer])]) {
    if (isUplink || nodes.some((candidate) => candidate.name === name)) continue
    problems.push(`there is no node "${name}"; there are ${nodes[0]?.name} to ${nodes.at(-1)?.name}`)
  }
  if (node === peer) problems.push(`"${where}" names the same node twice`)
  if ((isUplink || peer !== undefined) && !PATH_FAULT_KINDS.includes(kind)) {
    const what = isUplink ? 'an uplink' : 'a path between two nodes'
    problems.push(`${what} can only have ${PATH_FAULT_KINDS.join(' or ')}`)
  }
  return problems
}

const placeProblems = (parts: readonly string[], target: FaultTarget): string[] => {
  const [kind = '', where = '', name = '', direction = ''] = parts
  const problems: string[] = []
  if (!FAULT_KINDS.some((known) => known === kind)) {
    problems.push(`"${kind}" is not a fault; there are ${FAULT_KINDS.join(', ')}`)
  }
  problems.push(...whereProblems(kind, where, target))
  const found = target.nodes.find((candidate) => candidate.name === where.split('/')[0])
  const names = (found ?? target.nodes[0])?.interfaces.map((candidate) => candidate.name) ?? []
  if (!names.includes(name)) problems.push(`there is no interface "${name}"; there are ${names.join(', ')}`)
  if (!['tx', 'rx', 'both'].includes(direction)) {
    problems.push(`"${direction}" is not a direction; there are tx, rx (as the node sees it) and both`)
  }
  return problems
}

const parseOne = (
  text: string,
  target: FaultTarget,
  problems: string[],
  needsValue: boolean,
): Fault | undefined => {
  const parts = text.trim().split(':')
  if (parts.length < 4 || parts.length > 5) {
    problems.push(`${text}: not KIND:NODE:INTERFACE:DIRECTION[:VALUE], such as ${FAULT_FORMS[0]}`)
    return undefined
  }
  const found = placeProblems(parts, target)
  const kind = FAULT_KINDS.find((known) => known === parts[0])
  const direction = (['tx', 'rx', 'both'] as const).find((known) => known === parts[3])
  const [, where = '', name = '', , valueText] = parts
  const [node = '', peer] = where.split('/')
  let value: number | undefined
  if (kind === 'cut' && valueText !== undefined) found.push(`a cut has no value; leave out "${valueText}"`)
  if (kind && kind !== 'cut' && valueText === undefined && needsValue) {
    found.push(`a ${kind} needs a value, as in ${FAULT_FORMS.find((form) => form.startsWith(kind))}`)
  }
  if (kind && kind !== 'cut' && valueText !== undefined) {
    const parsed = parseValue(kind, valueText, target)
    if (typeof parsed === 'string') found.push(parsed)
    else value = parsed
  }
  problems.push(...found.map((problem) => `${text}: ${problem}`))
  if (found.length > 0 || !kind || !direction) return undefined
  return {
    kind,
    node,
    ...(peer === undefined ? {} : { peer }),
    interface: name,
    direction,
    ...(value === undefined ? {} : { value }),
  }
}

/** Parses faults. Throws a LabError with every problem of every text. */
export const parseFaults = (texts: readonly string[], target: FaultTarget): Fault[] => {
  const problems: string[] = []
  const faults = texts.map((text) => parseOne(text, target, problems, true))
  if (problems.length > 0) throw new LabError(problems)
  return faults.filter((fault) => fault !== undefined)
}

export const parseFault = (text: string, target: FaultTarget): Fault => {
  const [fault] = parseFaults([text], target)
  if (!fault) throw valueProblem(text, 'not a fault')
  return fault
}

/** Parses where to heal: the text of a fault, with or without its value. */
export const parseFaultPlace = (text: string, target: FaultTarget): FaultPlace => {
  const problems: string[] = []
  const fault = parseOne(text, target, problems, false)
  if (!fault) throw new LabError(problems)
  const { value: _, ...place } = fault
  return place
}

const valueText = (fault: Fault): string => {
  if (fault.kind === 'rate') return `:${fault.value}bit`
  if (fault.kind === 'loss') return `:${Number(((fault.value ?? 0) * 100).toFixed(4))}%`
  return fault.kind === 'mtu' ? `:${fault.value}` : ''
}

/** The text of a fault, such as `loss:node-2:net0:rx:10%`. parseFault is the inverse. */
export const formatFault = (fault: Fault): string =>
  `${fault.kind}:${fault.node}${fault.peer === undefined ? '' : `/${fault.peer}`}:${fault.interface}:${fault.direction}${valueText(fault)}`

const splitDirections = <P extends FaultPlace>(place: P): P[] =>
  place.direction === 'both' ? (['tx', 'rx'] as const).map((direction) => ({ ...place, direction })) : [place]

const samePlace = (a: FaultPlace, b: FaultPlace): boolean =>
  a.kind === b.kind &&
  a.node === b.node &&
  a.peer === b.peer &&
  a.interface === b.interface &&
  a.direction === b.direction

/** `faults` without the one at `place`; `both` removes the faults of both directions. */
export const withoutFault = (faults: readonly Fault[], place: FaultPlace): Fault[] => {
  const healed = splitDirections(place)
  return faults.filter((fault) => !healed.some((candidate) => samePlace(candidate, fault)))
}

/** `faults` with `fault`, which replaces a fault at the same place. A fault of `both` directions is stored as two. */
export const withFault = (faults: readonly Fault[], fault: Fault): Fault[] => [
  ...withoutFault(faults, fault),
  ...splitDirections(fault),
]
