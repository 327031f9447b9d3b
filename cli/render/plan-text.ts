import { type Plan, type RunSpec, TopologyKind } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration } from '../../lib/protobuf-time.ts'
import { counted, formatBytes, formatCount, formatDuration } from '../../lib/units.ts'
import { topologyWord } from './enum-words.ts'
import { sanitize } from './paint.ts'

const boundText = (plan: Plan): string => {
  if (plan.roundCount <= 1) return ''
  const why = plan.bottleneck ? `: ${sanitize(plan.bottleneck)}` : ''
  if (plan.roundCount === plan.lowerBound) return ` (the fewest possible${why})`
  return ` (bound ${formatCount(plan.lowerBound)}${why})`
}

/** The plan of a run in one sentence. */
export const renderPlan = (spec: RunSpec, plan: Plan): string => {
  const topology = topologyWord(spec.topology?.kind ?? TopologyKind.TOPOLOGY_KIND_UNSPECIFIED)
  const interfaces = spec.interfaces.length > 0 ? ` on ${sanitize(spec.interfaces.join(', '))}` : ''
  const seconds = fromDuration(plan.duration)
  const facts = [
    `${counted(plan.pairCount, 'pair')} in ${counted(plan.roundCount, 'round')}${boundText(plan)}`,
    ...(seconds === undefined ? [] : [`about ${formatDuration(seconds)}`]),
    ...(plan.bytes === undefined ? [] : [`${formatBytes(plan.bytes)} sent`]),
  ]
  const certificate = plan.certified ? 'Certificate verified.' : 'The certificate could not be verified.'
  return `${topology} of ${counted(plan.nodeCount, 'node')}${interfaces}: ${facts.join(', ')}. ${certificate}`
}
