/** Converts verdicts from and to their messages: those of the API and of stored records. */

import {
  CulpritKind as CulpritKindMessage,
  Endpoint,
  type EndpointPair as EndpointPairMessage,
  FaultDirection as FaultDirectionMessage,
  type Verdict as VerdictMessage,
} from '#proto/meshgauge/collector/v1/result.ts'
import type { EndpointPair } from '../dispatch/pair-result.ts'
import { CULPRIT_KINDS, type CulpritKind, type FaultDirection, type Verdict } from './verdict.ts'

const KINDS: Record<CulpritKind, CulpritKindMessage> = {
  node: CulpritKindMessage.CULPRIT_KIND_NODE,
  interface: CulpritKindMessage.CULPRIT_KIND_INTERFACE,
  link: CulpritKindMessage.CULPRIT_KIND_LINK,
  rack_uplink: CulpritKindMessage.CULPRIT_KIND_RACK_UPLINK,
  class: CulpritKindMessage.CULPRIT_KIND_CLASS,
  program: CulpritKindMessage.CULPRIT_KIND_PROGRAM,
  unattributed: CulpritKindMessage.CULPRIT_KIND_UNATTRIBUTED,
}

const DIRECTIONS: Record<FaultDirection, FaultDirectionMessage> = {
  tx: FaultDirectionMessage.FAULT_DIRECTION_TX,
  rx: FaultDirectionMessage.FAULT_DIRECTION_RX,
  both: FaultDirectionMessage.FAULT_DIRECTION_BOTH,
}

const directionOf = (message: FaultDirectionMessage): FaultDirection =>
  message === FaultDirectionMessage.FAULT_DIRECTION_TX
    ? 'tx'
    : message === FaultDirectionMessage.FAULT_DIRECTION_RX
      ? 'rx'
      : 'both'

export const endpointPairOf = ({ source, destination }: EndpointPairMessage): EndpointPair => ({
  source: source ?? Endpoint.fromPartial({}),
  destination: destination ?? Endpoint.fromPartial({}),
})

/** @throws Error for a kind that this version does not know */
const kindOf = (message: CulpritKindMessage): CulpritKind => {
  const kind = CULPRIT_KINDS.find((each) => KINDS[each] === message)
  if (!kind) throw new Error(`unknown kind of culprit ${message}`)
  return kind
}

/** @throws Error for a kind that this version does not know */
export const verdictOf = (message: VerdictMessage): Verdict => ({
  ...message,
  kind: kindOf(message.kind),
  direction: directionOf(message.direction),
  pairsFor: message.pairsFor.map(endpointPairOf),
  pairCount: message.pairCount || message.pairsFor.length,
  pairsAgainst: message.pairsAgainst.map(endpointPairOf),
})

export const verdictMessage = (verdict: Verdict): VerdictMessage => ({
  ...verdict,
  kind: KINDS[verdict.kind],
  direction: DIRECTIONS[verdict.direction],
  pairsFor: [...verdict.pairsFor],
  nodes: [...verdict.nodes],
  pairsAgainst: [...verdict.pairsAgainst],
})
