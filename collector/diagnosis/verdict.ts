import type { EndpointPair } from '../dispatch/pair-result.ts'

/** The kinds of objects that a verdict can name. */
export const CULPRIT_KINDS = ['node', 'interface', 'link', 'rack_uplink'] as const

export type CulpritKind = (typeof CULPRIT_KINDS)[number]

/** The direction in which a culprit is bad; `both` also when the test cannot distinguish the directions. */
export type FaultDirection = 'tx' | 'rx' | 'both'

/** Something is wrong: the culprit, with the evidence. */
export type Verdict = {
  readonly kind: CulpritKind
  /** The node. For a link, the node that sends. Empty for a rack uplink. */
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
  readonly pairsFor: readonly EndpointPair[]
  /** Pairs that should be bad too, and are not. */
  readonly pairsAgainst: readonly EndpointPair[]
  /** Whether the pairs were measured again on new ports before the verdict. */
  readonly retested: boolean
}

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
  pairsAgainst: [],
  retested: false,
  ...fields,
})
