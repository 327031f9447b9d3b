import { wilsonInterval } from '../../../lib/statistics.ts'
import { formatCount, formatRatio } from '../../../lib/units.ts'
import type { Sample } from '../../diagnosis/samples.ts'
import type { LossWords } from '../../diagnosis/wording.ts'
import { interfaceKey, type NodeInterface } from '../../inventory/keys.ts'
import type { LossRecord, LossSince } from '../state/loss-record.ts'
import type { MeasuredPath, MeshPath } from '../state/paths.ts'
import { isDead } from './lossy-verdicts.ts'
import { endpointPairKey } from './recovering-verdicts.ts'

/** A fault that is older than this is shown with its date. */
const DAY_MS = 86_400_000

const timeText = (timeMs: number, nowMs: number): string => {
  const text = new Date(timeMs).toISOString()
  return nowMs - timeMs < DAY_MS ? `${text.slice(11, 19)} UTC` : `${text.slice(0, 16).replace('T', ' ')} UTC`
}

/** `20 % of 480 probes since 14:02:07 UTC (8 s; 95 % interval 17 to 24 %)` */
const sinceText = ({ fromMs, toMs, sinceMs, sentCount, lostCount }: LossSince, shiftMs: number): string => {
  const seconds = Math.max(1, Math.round((toMs - fromMs) / 1000))
  const [low, high] = wilsonInterval(lostCount, sentCount).map((ratio) => formatRatio(ratio))
  const since = timeText(sinceMs + shiftMs, toMs + shiftMs)
  const isWhole = sinceMs === fromMs
  const time = isWhole ? `since ${since} (${seconds} s; ` : `in the last ${seconds} s (lossy since ${since}; `
  const probes = formatCount(sentCount)
  return `${formatRatio(lostCount / sentCount)} of ${probes} probes ${time}95 % interval ${low} to ${high})`
}

type Given = {
  measured: readonly MeasuredPath[]
  nowMs: number
  shiftMs: number
  lossSince: LossRecord['since']
}

/**
 * Returns words for the loss of paths since their fault began. A probe travels both ways, so both paths of a pair count.
 */
export const createMeshLossWords = (given: Given, byPair: ReadonlyMap<string, MeasuredPath>) => {
  const { measured, nowMs, shiftMs, lossSince } = given
  const words = (subject: string, paths: readonly MeshPath[]): string | undefined => {
    const found = lossSince(subject, paths, nowMs)
    return found && sinceText(found, shiftMs)
  }
  const alive = (each: MeasuredPath | undefined): MeshPath[] => (each && !isDead(each) ? [each.path] : [])
  return {
    otherwise: ' in the last minute',
    ofCulprit: (subject: string, pairs: readonly Sample[]): string | undefined => {
      const keys = new Set(
        pairs.flatMap(({ result }) => [
          endpointPairKey(result),
          endpointPairKey({ source: result.destination, destination: result.source }),
        ]),
      )
      return words(
        subject,
        [...keys].flatMap((key) => alive(byPair.get(key))),
      )
    },
    ofInterface: (end: NodeInterface): string | undefined => {
      const key = interfaceKey(end)
      const own = measured.filter(
        ({ path }) => interfaceKey(path.source) === key || interfaceKey(path.destination) === key,
      )
      return words(`${end.node} on ${end.interface}`, own.flatMap(alive))
    },
  } satisfies LossWords & { ofInterface: (end: NodeInterface) => string | undefined }
}
