import { type Traffic, type TrafficFlow, TrafficState } from '#proto/meshgauge/collector/v1/traffic.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'
import { counted, formatBitrate, formatBytes, formatCount } from '../../lib/units.ts'
import { topologyWord, wordOf } from './enum-words.ts'
import { ago, firstSentence } from './figures.ts'
import { type Paint, sanitize } from './paint.ts'
import { shortenIds } from './short-ids.ts'
import { renderTable } from './table.ts'

const trafficWord = wordOf(TrafficState, 'TRAFFIC_STATE_')

export const trafficHasEnded = ({ state }: Traffic): boolean =>
  state === TrafficState.TRAFFIC_STATE_STOPPED || state === TrafficState.TRAFFIC_STATE_FAILED

export const allFlowsMove = ({ movingCount, flowCount }: Traffic): boolean => movingCount === flowCount

const timeOf = (timestamp: Traffic['createTime']): string | undefined =>
  fromTimestamp(timestamp)?.toISOString()

/** The JSON document of a traffic. */
export const trafficDocument = (traffic: Traffic) => ({
  id: traffic.id,
  label: traffic.spec?.label || undefined,
  state: trafficWord(traffic.state),
  reason: traffic.reason || undefined,
  topology: topologyWord(traffic.spec?.topology?.kind ?? 0),
  interfaces: traffic.spec?.interfaces,
  createTime: timeOf(traffic.createTime),
  startTime: timeOf(traffic.startTime),
  endTime: timeOf(traffic.endTime),
  durationSeconds: fromDuration(traffic.spec?.options?.duration),
  nodes: traffic.nodeCount,
  flows: traffic.flowCount,
  moving: traffic.movingCount,
  restarts: traffic.restartCount,
  askedBitsPerSecond: traffic.askedBitsPerSecond,
  receivedBitsPerSecond: traffic.receivedBitsPerSecond,
  problems: traffic.problems,
})

/** The JSON document of a flow. */
export const flowDocument = (flow: TrafficFlow) => ({
  source: flow.source,
  destination: flow.destination,
  port: flow.port,
  moving: flow.moving,
  sentBitsPerSecond: flow.sentBitsPerSecond,
  receivedBitsPerSecond: flow.receivedBitsPerSecond,
  receivedBytes: flow.receivedBytes,
  restarts: flow.restartCount,
  reason: flow.reason || undefined,
})

/** `4,704 flows on 49 nodes: 4,704 moving, 47.0 Tbit/s requested, 46.8 Tbit/s received` */
const figures = (traffic: Traffic): string => {
  const asked = traffic.askedBitsPerSecond
  return [
    `${counted(traffic.flowCount, 'flow')} on ${counted(traffic.nodeCount, 'node')}: ${formatCount(traffic.movingCount)} moving`,
    ...(asked === undefined ? [] : [`${formatBitrate(asked)} requested`]),
    `${formatBitrate(traffic.receivedBitsPerSecond)} received`,
    ...(traffic.restartCount > 0 ? [counted(traffic.restartCount, 'restart')] : []),
  ].join(', ')
}

const problemLines = ({ problems }: Traffic, paint: Paint): string[] =>
  problems.map((problem) => `  ${paint('red', '✘')} ${sanitize(problem)}`)

/** The state of a traffic, then its problems. `stop` is the command that stops it. */
export const renderTraffic = (traffic: Traffic, stop: string, paint: Paint): string => {
  const { reason, state } = traffic
  if (trafficHasEnded(traffic)) {
    const why = reason ? `: ${sanitize(reason)}` : ''
    const rest =
      state === TrafficState.TRAFFIC_STATE_FAILED
        ? ''
        : `, ${counted(traffic.restartCount, 'restart')} in total`
    return `Traffic ${traffic.id} ${trafficWord(state)}${why}. It had ${counted(traffic.flowCount, 'flow')} on ${counted(traffic.nodeCount, 'node')}${rest}.`
  }
  return [`${figures(traffic)}. Stop it with "${stop}".`, ...problemLines(traffic, paint)].join('\n')
}

/** The progress of a start in one line. */
export const startingText = (traffic: Traffic): string =>
  `${trafficWord(traffic.state)}: ${formatCount(traffic.movingCount)} of ${counted(traffic.flowCount, 'flow')} moving`

export const renderTrafficList = (list: readonly Traffic[], now: Date, paint: Paint): string => {
  if (list.length === 0)
    return 'No traffic since the start of the collector. Start some with "meshgauge traffic start mesh --bitrate 1G".'
  const shorten = shortenIds(list.map(({ id }) => id))
  return renderTable(
    ['ID', 'LABEL', 'STATE', 'TOPOLOGY', 'MOVING', 'RECEIVED', 'RESTARTS', 'STARTED', 'REASON'],
    list.map((traffic) => [
      shorten(traffic.id),
      sanitize(traffic.spec?.label ?? ''),
      trafficWord(traffic.state),
      topologyWord(traffic.spec?.topology?.kind ?? 0),
      `${formatCount(traffic.movingCount)} of ${formatCount(traffic.flowCount)}`,
      formatBitrate(traffic.receivedBitsPerSecond),
      formatCount(traffic.restartCount),
      ago(fromTimestamp(traffic.createTime), now),
      sanitize(firstSentence(traffic.reason)),
    ]),
    paint,
  )
}

export const renderFlows = (flows: readonly TrafficFlow[], paint: Paint): string =>
  flows.length === 0
    ? 'No flows. The traffic has ended, or has no flow of this node.'
    : renderTable(
        ['', 'SOURCE', 'DESTINATION', 'INTERFACE', 'PORT', 'SENT', 'RECEIVED', 'BYTES', 'RESTARTS', 'REASON'],
        flows.map((flow) => [
          flow.moving ? paint('green', '✔') : paint('red', '✘'),
          sanitize(flow.source?.node ?? ''),
          sanitize(flow.destination?.node ?? ''),
          sanitize(flow.source?.interface ?? ''),
          flow.port === 0 ? '' : String(flow.port),
          formatBitrate(flow.sentBitsPerSecond),
          formatBitrate(flow.receivedBitsPerSecond),
          formatBytes(flow.receivedBytes),
          formatCount(flow.restartCount),
          sanitize(flow.reason),
        ]),
        paint,
      )

/** Compares the requested bitrate per node with the speed of its interfaces. For information only. */
export const capacityText = (
  traffic: Traffic,
  nodes: readonly { name: string; bitsPerSecond: number }[],
): string | undefined => {
  if (traffic.askedBitsPerSecond === undefined || traffic.nodeCount === 0) return undefined
  const asked = traffic.askedBitsPerSecond / traffic.nodeCount
  const slowest = nodes
    .filter(({ bitsPerSecond }) => bitsPerSecond > 0)
    .sort((a, b) => a.bitsPerSecond - b.bitsPerSecond)[0]
  const each = `Requested per node: ${formatBitrate(asked)} in each direction on average`
  if (!slowest) return `${each}. The speed of the interfaces is unknown.`
  const full = asked > slowest.bitsPerSecond ? ', so they will be saturated' : ''
  return `${each}. The interfaces of ${sanitize(slowest.name)} have ${formatBitrate(slowest.bitsPerSecond)}${full}.`
}
