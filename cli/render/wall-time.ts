import type { Run } from '#proto/meshgauge/collector/v1/run.ts'
import { fromDuration, fromTimestamp } from '../../lib/protobuf-time.ts'

/**
 * How long the run took, against what its rounds would take with nothing between them. The ideal is absent where
 * the length of a test is not a time: pings all run at once, and --bytes ends when the bytes are sent.
 */
export const wallTime = (run: Run): { seconds?: number; idealSeconds?: number; efficiencyRatio?: number } => {
  const [start, end] = [fromTimestamp(run.startTime), fromTimestamp(run.endTime)]
  const seconds = start && end ? (end.getTime() - start.getTime()) / 1000 : undefined
  const idealSeconds = ideal(run)
  return {
    ...(seconds === undefined ? {} : { seconds }),
    ...(idealSeconds === undefined ? {} : { idealSeconds }),
    // Pairs that could not be measured take no time, and would flatter it.
    ...(seconds && idealSeconds && isWhole(run) ? { efficiencyRatio: idealSeconds / seconds } : {}),
  }
}

const isWhole = ({ progress }: Run): boolean =>
  progress !== undefined && progress.measuredCount === progress.pairCount

const ideal = (run: Run): number | undefined => {
  if (run.spec?.test?.$case !== 'iperf' || !run.plan) return undefined
  const options = run.spec.test.value.options
  if (options?.bytes !== undefined) return undefined
  const seconds = fromDuration(options?.duration)
  return seconds && run.plan.roundCount * (seconds + (fromDuration(options?.omit) ?? 0))
}
