import type { EndpointPair } from '../dispatch/pair-result.ts'

/** The kinds of objects that a verdict can name. */
export const CULPRIT_KINDS = [
  'node',
  'interface',
  'link',
  'rack_uplink',
  'class',
  'program',
  'unattributed',
] as const

export type CulpritKind = (typeof CULPRIT_KINDS)[number]

/** The direction in which a culprit is bad; `both` also when the test cannot distinguish the directions. */
export type FaultDirection = 'tx' | 'rx' | 'both'

/** Something is wrong: the culprit, with the evidence. */
export type Verdict = {
  readonly kind: CulpritKind
  /** The node. For a link, the node that sends. Empty for a rack uplink, a class and unattributed pairs. */
  readonly node: string
  /** Empty when the verdict applies to all interfaces of the node. */
  readonly interface: string
  readonly direction: FaultDirection
  /** For a link, the node that receives. */
  readonly peer: string
  /** For a rack uplink, the rack. */
  readonly rack: string
  /** 0 to 1. */
  readonly confidence: number
  /** The fault in one sentence with figures, followed by the evidence. */
  readonly message: string
  /** At most MAX_LISTED_PAIRS of the pairs that support the verdict. */
  readonly pairsFor: readonly EndpointPair[]
  /** The number of all pairs that support the verdict. */
  readonly pairCount: number
  /** Pairs that should be bad too, and are not. */
  readonly pairsAgainst: readonly EndpointPair[]
  /** Whether the pairs were measured again on new ports before the verdict. */
  readonly retested: boolean
  /** For a class, its nodes. */
  readonly nodes: readonly string[]
  /** For a program, its name. */
  readonly program: string
}

/** Maximum number of pairs that a verdict lists: a run has up to a million, and a message 16 MiB. */
export const MAX_LISTED_PAIRS = 1000

/** Returns a verdict. Fields that are not given are empty. */
export const createVerdict = (fields: Pick<Verdict, 'kind'> & Partial<Verdict>): Verdict => ({
  node: '',
  interface: '',
  direction: 'both',
  peer: '',
  rack: '',
  confidence: 0,
  message: '',
  pairsFor: [],
  pairCount: fields.pairsFor?.length ?? 0,
  pairsAgainst: [],
  retested: false,
  nodes: [],
  program: '',
  ...fields,
})
